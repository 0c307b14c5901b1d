/** The client of the front door, typed by the routes' own schemas. The transport is passed in. */
import { CorralError } from '../errors.ts';
import { isProblem, type Problem } from './problem.ts';
import { ROUTES, type RouteAnswer, type RouteInput, type RouteName, type Route } from './routes.ts';
import type { RunEvent } from './run-events.ts';
import type { Event } from './schemas.ts';
import { PRIVATE_REASON } from './withheld.ts';

export interface WireRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly signal: AbortSignal | undefined;
}
export interface WireResponse {
  readonly status: number;
  readonly text: () => Promise<string>;
  readonly lines: () => AsyncIterable<string>;
}
/** Rejects with CORRAL_UNREACHABLE if no host answers. */
export type Transport = (request: WireRequest) => Promise<WireResponse>;

/** The server's refusal: an error with `status` and the whole problem document. */
export class ApiError extends CorralError {
  readonly status: number;
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.code as CorralError['code'], problem.errors === undefined ? problem.detail : `${problem.detail} ${list(problem.errors)}`);
    this.status = problem.status;
    this.problem = problem;
  }
}

const list = (errors: NonNullable<Problem['errors']>) => errors.map(({ at, message }) => `${at}: ${message}`).join('; ');

export type Client = {
  readonly [K in RouteName]: (input: RouteInput<K>, options?: { readonly signal?: AbortSignal }) => Promise<RouteAnswer<K>>;
} & {
  /** Follows events, after `last` if it is given. Ends when the server closes the stream; the caller reconnects. */
  readonly follow: (
    query: RouteInput<'events'>['query'],
    options?: { readonly last?: string | undefined; readonly signal?: AbortSignal },
  ) => AsyncGenerator<Event | { readonly kind: 'reset' }>;
  /**
   * Follows what a run is given in streams, emits and logs: from its beginning, or after the event `last`. It has ended with an event
   * `ended`; where the stream ends without one, the caller asks again with the id of the last event, and misses nothing.
   */
  readonly followRun: (
    run: RouteInput<'runEvents'>['params']['run'],
    options?: { readonly last?: string | undefined; readonly signal?: AbortSignal },
  ) => AsyncGenerator<RunEvent>;
};

interface Following {
  readonly last?: string | undefined;
  readonly signal?: AbortSignal;
}

/** @param private_reason why an admin reads what labels withhold; the host records it */
export function createClient(transport: Transport, token?: string, private_reason?: string): Client {
  const auth: Record<string, string> = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(private_reason === undefined ? {} : { [PRIVATE_REASON]: encodeURIComponent(private_reason) }),
  };
  const request = async (name: RouteName, input: Record<string, unknown>, signal: AbortSignal | undefined, accept: string) => {
    const route: Route = ROUTES[name];
    const response = await transport({
      method: route.method,
      path: pathOf(route.path, input),
      headers: {
        accept,
        ...auth,
        ...(input['body'] === undefined ? {} : { 'content-type': 'application/json' }),
        ...(input['headers'] as Record<string, string> | undefined),
      },
      body: input['body'] === undefined ? undefined : JSON.stringify(input['body']),
      signal,
    });
    if (response.status < 400 || (name === 'ready' && response.status === 503)) return response;
    throw refusal(await response.text(), response.status);
  };
  const methods = Object.fromEntries(
    (Object.keys(ROUTES) as RouteName[]).map((name) => [
      name,
      async (input: Record<string, unknown>, options?: { readonly signal?: AbortSignal }) => {
        const { text: plain } = ROUTES[name] as Route;
        const text = await (await request(name, input, options?.signal, plain === true ? 'text/plain' : 'application/json')).text();
        return plain === true ? text : JSON.parse(text);
      },
    ]),
  );
  /** Server-sent events (WHATWG HTML, 9.2), each with its data in one line. */
  async function* eventsOf(name: RouteName, input: object, last: string | undefined, signal: AbortSignal | undefined) {
    const headers = last === undefined ? {} : { 'last-event-id': last };
    const response = await request(name, { ...input, headers }, signal, 'text/event-stream');
    let kind = '';
    for await (const line of response.lines()) {
      if (line.startsWith('event: ')) kind = line.slice('event: '.length);
      else if (line.startsWith('data: ')) yield { kind, data: line.slice('data: '.length) };
    }
  }
  return {
    ...methods,
    async *follow(query: Record<string, unknown>, { last, signal }: Following = {}) {
      for await (const { kind, data } of eventsOf('events', { query }, last, signal))
        yield kind === 'reset' ? { kind: 'reset' as const } : (JSON.parse(data) as Event);
    },
    async *followRun(run: string, { last, signal }: Following = {}) {
      for await (const { data } of eventsOf('runEvents', { params: { run } }, last, signal)) yield JSON.parse(data) as RunEvent;
    },
  } as unknown as Client;
}

function pathOf(template: string, { params, query }: { params?: Record<string, unknown>; query?: Record<string, unknown> }): string {
  const path = template.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(params?.[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) search.append(name, String(one));
  return search.size === 0 ? path : `${path}?${search.toString()}`;
}

function refusal(text: string, status: number): CorralError {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (isProblem(body)) return new ApiError(body);
  return new CorralError('CORRAL_UNREACHABLE', `A program that is not Corral answered with status ${status}.`);
}

/**
 * All items of a list, on as many pages as are read: a page is asked for when the one before has been read.
 * @param page asks for one: `(at) => client.runCalls({ params: { run }, query: at })`
 */
export async function* itemsOf<T>(
  page: (at: { readonly cursor?: string }) => Promise<{ readonly items: readonly T[]; readonly next: string | null }>,
): AsyncGenerator<T> {
  for (let cursor: string | null | undefined; cursor !== null;) {
    const { items, next }: { readonly items: readonly T[]; readonly next: string | null } = await page(
      cursor === undefined ? {} : { cursor },
    );
    yield* items;
    cursor = next;
  }
}

/** The same as one array. */
export async function allItems<T>(page: Parameters<typeof itemsOf<T>>[0]): Promise<T[]> {
  const items: T[] = [];
  for await (const item of itemsOf(page)) items.push(item);
  return items;
}
