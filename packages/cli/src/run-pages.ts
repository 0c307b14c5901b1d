/** The runs that a host lists for a query, on as many pages as are read. */
import type { Client } from '@corral/protocol/api/client';
import type { RouteAnswer, RouteInput } from '@corral/protocol/api/routes';

type Summary = RouteAnswer<'listRuns'>['items'][number];

/** A page is asked for when the one before has been read. */
export async function* runsOf(client: Client, query: NonNullable<RouteInput<'listRuns'>['query']>): AsyncGenerator<Summary> {
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page: RouteAnswer<'listRuns'> = await client.listRuns({ query: { ...query, ...(cursor === undefined ? {} : { cursor }) } });
    yield* page.items;
    cursor = page.next;
  }
}
