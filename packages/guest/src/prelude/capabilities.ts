/**
 * Capabilities as an agent holds them: functions for tools, objects with `send` for mailboxes. A WeakMap here says what an object
 * refers to, so an agent cannot forge one by copying properties; the index is valid in this run only, and the host checks it at
 * each use.
 */
import type { CapabilityView } from '@corral/protocol/wire/delivery';
import type { Attenuation, CallOptions, Grantable, Mailbox, PartStream, RequestOptions, Right, SendOptions } from '../sdk/types.ts';
import { DECLARED } from '../abi.ts';
import { bare, own } from './bare.ts';
import type { Effects } from './effects.ts';
import { raise } from './errors.ts';
import { attenuationOf, callOptions, invalid, timedOut, waitOptions, type CheckedRequest } from './options.ts';
import { brokenStream, openStream } from './streams.ts';

/** How the names of tools begin that are models. */
const MODEL = 'model:';

interface Held {
  readonly cap: number;
  readonly terms: Attenuation | undefined;
}
const held = new WeakMap<object, Held>();
/** Objects that hold all tools of a server, with these. */
const servers = new WeakMap<object, Readonly<Record<string, object>>>();

/** Slots of a message or a spawn, by alias. */
export function slots(caps: Readonly<Record<string, unknown>>, what: string): Record<string, unknown> {
  const said: Record<string, unknown> = bare({});
  for (const [alias, value] of Object.entries(caps)) {
    // All tools of a server are handed over one by one.
    const members = servers.get(value as object);
    if (members === undefined) said[alias] = slot(alias, value, what);
    else for (const [name, tool] of Object.entries(members)) said[`${alias}.${name}`] = slot(alias, tool, what);
  }
  return said;
}

/** The slot of a capability: its index and how it is narrowed. */
function slot(alias: string, value: unknown, what: string): Record<string, unknown> {
  const found = (typeof value === 'object' && value !== null) || typeof value === 'function' ? held.get(value) : undefined;
  if (found === undefined) throw raise('CORRAL_ARGS_INVALID', `caps.${alias} of this ${what} is not a capability.`);
  return bare({ ...found.terms, cap: found.cap });
}

/** Narrows further: the predicates of both apply, and the smaller number of uses. */
function narrow(a: Attenuation | undefined, b: Attenuation): Attenuation {
  if (a === undefined) return b;
  const where: Record<string, unknown> = bare({ ...a.where });
  for (const [name, predicate] of Object.entries(b.where ?? {})) {
    if (Object.hasOwn(where, name))
      throw raise('CORRAL_ARGS_INVALID', `The capability is already attenuated by ${name}; put both conditions in one attenuation.`);
    where[name] = predicate;
  }
  const least = (x: number | undefined, y: number | undefined) => (x === undefined ? y : y === undefined ? x : Math.min(x, y));
  const common = (x: Right[] | undefined, y: Right[] | undefined) =>
    x === undefined ? y : y === undefined ? x : bare(x.filter((right) => y.includes(right)));
  const rights = common(a.rights, b.rights);
  const passes = common(a.passes ?? a.rights, b.passes ?? b.rights);
  const per_minute = least(a.rate?.per_minute, b.rate?.per_minute);
  const bytes = least(a.bytes, b.bytes);
  const uses = least(a.uses, b.uses);
  const expires_in_ms = least(a.expires_in_ms, b.expires_in_ms);
  return bare({
    where: where as NonNullable<Attenuation['where']>,
    ...(uses === undefined ? {} : { uses }),
    ...(expires_in_ms === undefined ? {} : { expires_in_ms }),
    ...(rights === undefined ? {} : { rights }),
    ...(passes === undefined ? {} : { passes }),
    ...(per_minute === undefined ? {} : { rate: bare({ per_minute }) }),
    ...(bytes === undefined ? {} : { bytes }),
    ...(a.only_clean === true || b.only_clean === true ? { only_clean: true as const } : {}),
  });
}

function withAttenuate<T extends object>(made: T, cap: number, terms: Attenuation | undefined): T {
  held.set(made, { cap, terms });
  Object.defineProperty(made, 'attenuate', {
    value: (more: Attenuation) => withAttenuate({}, cap, narrow(terms, attenuationOf(more))),
    enumerable: false,
  });
  return Object.freeze(made);
}

/** Adds `dispose`. */
function withDispose<T extends object>(effects: Effects, made: T, cap: number): T {
  let held = true;
  const dispose = () => {
    if (cap === 0) throw raise('CORRAL_ARGS_INVALID', 'A run keeps its own mailbox.');
    if (held) effects.push({ kind: 'dispose', cap });
    held = false;
  };
  Object.defineProperty(made, 'dispose', { value: dispose, enumerable: false });
  return withAttenuate(made, cap, undefined);
}

export function makeMailbox(effects: Effects, cap: number): Mailbox {
  const effect = (body: unknown, { caps }: CheckedRequest) => {
    if (body === undefined) throw invalid('The body of a message', body, 'a value; null says nothing');
    return { kind: 'send', cap, body, ...(caps === undefined ? {} : { caps: slots(caps, 'message') }) };
  };
  const send = async (body: unknown, options?: SendOptions): Promise<void> => {
    await effects.request(effect(body, waitOptions('The options of send', options))).reply;
  };
  const request = async (body: unknown, options?: RequestOptions): Promise<unknown> => {
    const checked = waitOptions('The options of request', options);
    const { signal, wanted, expired } = checked;
    return ask(effects, { ...effect(body, checked), request: wanted }, signal, expired);
  };
  return withDispose(effects, { send, request }, cap) as unknown as Mailbox;
}

/** Makes a call with its options. */
function call(effects: Effects, cap: number, input: unknown, options: CallOptions | undefined, as_handle?: true): Promise<unknown> {
  try {
    const { wanted, signal, expired } = callOptions(options);
    const effect = { kind: 'call', cap, input, ...wanted, ...(as_handle === undefined ? {} : { as_handle }) };
    return ask(effects, effect, signal, expired);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The promise settles with the reply, or rejects when the agent's own signal aborts. */
async function ask(
  effects: Effects,
  effect: Readonly<Record<string, unknown>>,
  signal: AbortSignal | undefined,
  expired: boolean,
): Promise<unknown> {
  if (signal?.aborted === true) throw signal.reason;
  if (expired) {
    effects.check(effect);
    throw timedOut(effect['kind'] === 'call' ? 'call' : 'request');
  }
  const { id, reply } = effects.request(effect, true);
  if (signal === undefined) return reply;
  const give = () => effects.abandon(id, signal.reason);
  signal.addEventListener('abort', give, { once: true });
  try {
    return await reply;
  } finally {
    signal.removeEventListener('abort', give);
  }
}

/** Makes a call whose answer is read in parts. @throws for options and arguments that cannot leave */
function stream(effects: Effects, cap: number, input: unknown, options: CallOptions | undefined): PartStream<unknown, unknown> {
  const { wanted, signal, expired } = callOptions(options);
  const effect = { kind: 'call', cap, input, ...wanted };
  if (signal?.aborted === true) return brokenStream(effects, signal.reason);
  if (!expired) return openStream(effects, effect, signal);
  effects.check(effect);
  return brokenStream(effects, timedOut('call'));
}

function makeTool(effects: Effects, view: CapabilityView): object {
  if (view.name.startsWith(MODEL)) effects.isModel(view.cap);
  const tool = (input: unknown = {}, options?: CallOptions) => call(effects, view.cap, input, options);
  Object.defineProperty(tool, 'name', { value: view.name });
  const description = own(view, 'description');
  if (description !== undefined)
    Object.defineProperty(tool, Symbol.for(DECLARED), {
      value: description === null ? null : bare({ description, input: own(view, 'input') }),
    });
  const handle = (input: unknown = {}, options?: CallOptions) => call(effects, view.cap, input, options, true);
  Object.defineProperty(tool, 'handle', { value: handle, enumerable: false });
  const streamed = (input: unknown = {}, options?: CallOptions) => stream(effects, view.cap, input, options);
  Object.defineProperty(tool, 'stream', { value: streamed, enumerable: false });
  return withDispose(effects, tool, view.cap);
}

/** The object under an alias that holds all tools of a server, by their names there. */
function server(caps: Record<string, object>, alias: string): Record<string, object> {
  const known = Object.hasOwn(caps, alias) ? (caps[alias] as Record<string, object>) : undefined;
  // A sender of a message chooses its aliases: one that is a capability and a server as well is the capability.
  if (known !== undefined) return servers.has(known) ? known : bare({});
  const made = newServer();
  caps[alias] = made;
  return made;
}

/** An object for the tools of a server, and `attenuate` for all of them; a tool of that name takes its place. */
function newServer(): Record<string, object> {
  const made: Record<string, object> = bare({});
  servers.set(made, made);
  const attenuate = (terms: Attenuation) => {
    const narrowed = newServer();
    for (const [name, tool] of Object.entries(made)) addTo(narrowed, name, (tool as Grantable).attenuate(terms));
    return Object.freeze(narrowed);
  };
  Object.defineProperty(made, 'attenuate', { value: attenuate, enumerable: false, configurable: true });
  return made;
}

const addTo = (members: Record<string, object>, name: string, tool: object): void =>
  void Object.defineProperty(members, name, { value: tool, enumerable: true, configurable: true });

/**
 * The `caps` of an agent. Reading one that was not granted throws an error that names it, instead of a later `undefined is not a
 * function`.
 */
export function makeCaps(effects: Effects, views: Readonly<Record<string, CapabilityView>>, whose = 'This run'): object {
  const caps: Record<string, object> = {};
  for (const [alias, view] of Object.entries(views)) {
    const made = view.kind === 'tool' ? makeTool(effects, view) : makeMailbox(effects, view.cap);
    const dot = alias.indexOf('.');
    if (dot < 0) caps[alias] = made;
    else addTo(server(caps, alias.slice(0, dot)), alias.slice(dot + 1), made);
  }
  for (const one of Object.values(caps)) if (servers.has(one)) Object.freeze(one);
  return new Proxy(Object.freeze(caps), {
    get(target, alias) {
      if (typeof alias === 'symbol' || Reflect.has(target, alias) || alias === 'then' || alias === 'toJSON') return target[alias as string];
      throw raise(
        'CORRAL_CAP_NOT_GRANTED',
        `${whose} holds no capability called ${alias}; it holds ${Object.keys(target).join(', ') || 'none'}.`,
      );
    },
  });
}
