/** The runs that a host lists for a query, on as many pages as are read. */
import { itemsOf, type Client } from '@corral/protocol/api/client';
import type { RouteAnswer, RouteInput } from '@corral/protocol/api/routes';

type Summary = RouteAnswer<'listRuns'>['items'][number];

export const runsOf = (client: Client, query: NonNullable<RouteInput<'listRuns'>['query']>): AsyncGenerator<Summary> =>
  itemsOf((at) => client.listRuns({ query: { ...query, ...at } }));
