/** Requests to the host that served this page. The browser adds the session's cookie; no script ever holds a token. */
import { signal } from '@preact/signals';
import type { RouteAnswer, RouteInput } from '@corral/protocol/api/routes';
import { PATHS, type Asked } from './routes.ts';

/** A refusal by the host, or its silence. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  constructor(status: number, code: string, message: string, hint: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** The caller who is signed in. `undefined`: not known yet; null: nobody. */
export const me = signal<RouteAnswer<'showSession'>['who'] | undefined>(undefined);
/** Whether somebody was signed in and the host has ended that. */
export const wasSignedIn = signal(false);

type Parts = { readonly params?: object; readonly query?: object; readonly body?: unknown };

export function addressOf(name: Asked, { params = {}, query = {} }: Parts): { readonly method: string; readonly path: string } {
  const [method = '', template = ''] = PATHS[name].split(' ');
  const path = template.replaceAll(/:(\w+)/g, (_, part: string) => encodeURIComponent(String(Reflect.get(params, part))));
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query) as [string, string | number | boolean | undefined][])
    if (value !== undefined && value !== '') search.set(key, String(value));
  return { method, path: search.size === 0 ? path : `${path}?${search.toString()}` };
}

/** @throws Refusal, and AbortError */
export async function ask<K extends Asked>(name: K, input: RouteInput<K>, signal?: AbortSignal): Promise<RouteAnswer<K>> {
  const { body } = input as Parts;
  const { method, path } = addressOf(name, input);
  const response = await send(path, {
    method,
    headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (!response.ok && !(name === 'ready' && response.status === 503)) throw await refusalOf(response, name);
  return (await response.json()) as RouteAnswer<K>;
}

/** @throws Refusal if no host answers, and AbortError */
export async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { ...init, credentials: 'same-origin', cache: 'no-store', redirect: 'error' });
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new Refusal(0, 'CORRAL_UNREACHABLE', 'The host does not answer.', 'It may have stopped, or the network is away.');
  }
}

/** Reads a refusal; one that says that nobody is signed in brings back the page for that. */
export async function refusalOf(response: Response, name: Asked): Promise<Refusal> {
  if (response.status === 401 && name !== 'signIn') {
    wasSignedIn.value = wasSignedIn.value || (me.value !== undefined && me.value !== null);
    me.value = null;
  }
  const said = (await response.json().catch(() => ({}))) as {
    code?: string;
    detail?: string;
    hint?: string;
    errors?: { at: string; message: string }[];
  };
  const faults = (said.errors ?? []).map(({ at, message }) => `${at} ${message}`).join('; ');
  const detail = said.detail ?? `The answer has status ${response.status}.`;
  return new Refusal(response.status, said.code ?? 'CORRAL_UNREACHABLE', faults === '' ? detail : `${detail} ${faults}`, said.hint ?? '');
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

/** Finds out whether this browser is signed in, and keeps its session. */
export async function recognise(): Promise<void> {
  const { who } = await ask('showSession', {});
  if (who === null && me.value !== undefined && me.value !== null) wasSignedIn.value = true;
  me.value = who;
}

/** Whether the roles of who is signed in allow something; the host decides anyway. */
export function hasRole(...roles: string[]): boolean {
  return (me.value?.roles ?? []).some((role) => roles.includes(role));
}
