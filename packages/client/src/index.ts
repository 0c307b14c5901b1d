/** A typed client of a host's HTTP API, wherever there is `fetch`. `@corral/client/node` also reaches a host by the socket in its data folder. */
import { createClient, type Client } from '@corral/protocol/api/client';
import { transportByFetch, type Fetch } from './fetch.ts';

export {
  ApiError,
  allItems,
  createClient,
  itemsOf,
  type Client,
  type Transport,
  type WireRequest,
  type WireResponse,
} from '@corral/protocol/api/client';
export type { RouteAnswer, RouteInput, RouteName } from '@corral/protocol/api/routes';
export type { RunEvent } from '@corral/protocol/api/run-events';
export type { Event } from '@corral/protocol/api/schemas';
export { CorralError, type ErrorCode } from '@corral/protocol/errors';

export interface ConnectOptions {
  /** Where the host listens: `https://corral.example.com`. */
  readonly url: string;
  /** The secret of a token (`corral token create`). */
  readonly token?: string;
  /** Why an admin reads what labels withhold; the host records it with each run that is read. */
  readonly private_reason?: string;
  /** By default the `fetch` of the platform. */
  readonly fetch?: Fetch;
}

/** A client of the host at `url`. Nothing is sent before its first method is called. */
export function connect({ url, token, private_reason, fetch = globalThis.fetch.bind(globalThis) }: ConnectOptions): Client {
  return createClient(transportByFetch(url, fetch), token, private_reason);
}
