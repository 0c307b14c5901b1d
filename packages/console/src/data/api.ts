/**
 * Requests to the host that served this page. The browser adds the session's cookie, which no script can read; the page adds the session's key. A
 * cookie goes to every port of a machine and the key to this origin alone, so neither is enough without the other. No script ever holds a token.
 */
import { signal } from '@preact/signals';
import type { RouteAnswer, RouteInput } from '@corral/protocol/api/routes';
import { PATHS, type Asked } from './routes.ts';
import { withoutCommands } from '../text.ts';
import { isVisible, onVisibility } from './visible.ts';

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

export const asRefusal = (error: unknown): Refusal =>
  error instanceof Refusal ? error : new Refusal(0, 'CORRAL_INTERNAL', String(error), '');

/** The caller who is signed in. `undefined`: not known yet; null: nobody. */
export const me = signal<RouteAnswer<'showSession'>['who'] | undefined>(undefined);
/** Whether somebody was signed in and the host has ended that. */
export const wasSignedIn = signal(false);
/** The person who was signed in on this page before another tab signed somebody else in. */
export const replaced = signal<string | undefined>(undefined);

/** Where the key of the session is kept, for all pages of this origin. */
const KEPT = 'corral.session';
const HEADER = 'x-corral-session';
/**
 * The key of the session of the person whom this page shows. If somebody else signs in by another tab, requests with it are refused, until the page
 * has found out and said who that is: it never acts as a person whom it does not show.
 */
let key: string | null = null;
/** The person whom this page showed last. */
let shown: { readonly principal: string; readonly tenant: string } | undefined;
/** Whether the host runs the scene of `corral demo`. */
export const hasScene = signal(false);
/** Issuers by which people may sign in. */
export const offers = signal<NonNullable<RouteAnswer<'showSession'>['sign_in']>>([]);

type Parts = { readonly params?: object; readonly query?: object; readonly body?: unknown };
type Value = string | number | boolean | undefined;

export function addressOf(name: Asked, { params = {}, query = {} }: Parts): { readonly method: string; readonly path: string } {
  const [method = '', template = ''] = PATHS[name].split(' ');
  const path = template.replaceAll(/:(\w+)/g, (_, part: string) => encodeURIComponent(String(Reflect.get(params, part))));
  const search = new URLSearchParams();
  for (const [field, value] of Object.entries(query) as [string, Value | readonly Value[]][])
    for (const one of Array.isArray(value) ? (value as readonly Value[]) : [value as Value])
      if (one !== undefined && one !== '') search.append(field, String(one));
  return { method, path: search.size === 0 ? path : `${path}?${search.toString()}` };
}

/** @param by the key of the session to ask in @throws Refusal, and AbortError */
export async function ask<K extends Asked>(name: K, input: RouteInput<K>, signal?: AbortSignal, by = key): Promise<RouteAnswer<K>> {
  const { body } = input as Parts;
  const { method, path } = addressOf(name, input);
  const init = {
    method,
    headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  };
  const response = await send(name, path, init, by);
  if (!response.ok && !(name === 'ready' && response.status === 503)) throw await refusalOf(response);
  return (await response.json()) as RouteAnswer<K>;
}

type Init = Omit<RequestInit, 'headers'> & { readonly headers: Readonly<Record<string, string>> };

/** An answer that says that nobody is signed in brings back the page for that. @throws Refusal if no host answers, and AbortError */
export async function send(name: Asked, path: string, init: Init, by = key): Promise<Response> {
  const headers = by === null ? init.headers : { ...init.headers, [HEADER]: by };
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, credentials: 'same-origin', cache: 'no-store', redirect: 'error' });
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new Refusal(0, 'CORRAL_UNREACHABLE', 'The host does not answer.', 'It may have stopped, or the network is away.');
  }
  if (response.status === 401 && name !== 'signIn') isOver(by);
  return response;
}

/** Makes an error of an answer that refuses. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const said = (await response.json().catch(() => ({}))) as {
    code?: string;
    detail?: string;
    hint?: string;
    errors?: { at: string; message: string }[];
  };
  const faults = (said.errors ?? []).map(({ at, message }) => `${at} ${message}`).join('; ');
  const detail = said.detail ?? `The answer has status ${response.status}.`;
  return new Refusal(
    response.status,
    said.code ?? 'CORRAL_UNREACHABLE',
    faults === '' ? detail : `${detail} ${faults}`,
    withoutCommands(said.hint ?? ''),
  );
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

/** The session with this key has ended. */
function isOver(of: string | null): void {
  // Another tab has begun another session meanwhile: this page finds out whose that is.
  if (of === localStorage.getItem(KEPT)) become(null, null);
  else void recognise().catch(() => undefined);
}

/** From now on, the page shows this person and acts in the session with this key. */
function become(who: RouteAnswer<'showSession'>['who'], by: string | null): void {
  if (who === null && (me.value ?? null) !== null) wasSignedIn.value = true;
  if (who !== null) {
    if (shown !== undefined && (shown.principal !== who.principal || shown.tenant !== who.tenant)) replaced.value = shown.principal;
    shown = who;
  }
  key = by;
  if (by === null) localStorage.removeItem(KEPT);
  else localStorage.setItem(KEPT, by);
  me.value = who;
}

/** @throws Refusal */
export async function signIn(token: string): Promise<void> {
  const { key: given, ...who }: RouteAnswer<'signIn'> & { readonly key?: string } = await ask(
    'signIn',
    { body: { token } },
    undefined,
    localStorage.getItem(KEPT),
  );
  shown = undefined;
  replaced.value = undefined;
  become(who, given ?? null);
}

/** @throws Refusal if the host did not end the session, which therefore may still hold */
export async function signOut(): Promise<void> {
  await ask('signOut', {});
  become(null, null);
  wasSignedIn.value = false;
}

/** Finds out who is signed in by this browser, and keeps their session. @throws Refusal */
export async function recognise(): Promise<void> {
  const found = localStorage.getItem(KEPT);
  const { who, scene, sign_in = [] } = await ask('showSession', {}, undefined, found);
  hasScene.value = scene === true;
  offers.value = sign_in;
  // The answer is about a session that another tab has ended or replaced since.
  if (found !== localStorage.getItem(KEPT)) await recognise();
  else become(who, who === null ? null : found);
}

/** Finds out again when the person comes back to the page, and when another tab signs in or out. */
export function watchSession(): void {
  const look = () => {
    if (isVisible() && me.value !== undefined) void recognise().catch(() => undefined);
  };
  addEventListener('focus', look);
  onVisibility(look);
  addEventListener('storage', ({ key: changed }) => {
    if (changed === KEPT || changed === null) void recognise().catch(() => undefined);
  });
}

/** Whether the roles of who is signed in allow something; the host decides anyway. */
export function hasRole(...roles: string[]): boolean {
  return (me.value?.roles ?? []).some((role) => roles.includes(role));
}
