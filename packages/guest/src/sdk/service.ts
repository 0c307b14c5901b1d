/** Services: agents with keyed, long-lived instances, which are written to and reply (DESIGN 2, 4). */
import { AGENT, type AgentContext, type AgentDefinition, type AgentOptions, type InputOf, type Schema, type Uses } from './types.ts';

/** What a handler is given: one message, and the instance that it is for. */
export interface Turn<Message, Key, State, U extends Uses> extends Pick<
  AgentContext<unknown, U>,
  'run' | 'purpose' | 'caps' | 'budget' | 'signal' | 'spawn' | 'emit' | 'log' | 'sleep'
> {
  readonly message: Message;
  readonly key: Key;
  /** The turn's own copy. What the handler leaves in it is kept if it returns; if it throws, nothing is. */
  readonly state: State;
  /** Stamped by the host. */
  readonly from: { readonly run: string; readonly agent: string; readonly principal: string };
}

/** A handler as it is kept. */
export interface HandlerOptions {
  readonly message?: Schema | undefined;
  readonly reply?: Schema | undefined;
  run(turn: never): unknown;
}

// oxlint-disable typescript/no-explicit-any -- what the service around it says of keys, state and capabilities comes after
/**
 * Answers one kind of message. Both ends are checked in the service's own isolate: a message that does not fit is answered with
 * CORRAL_ARGS_INVALID, a reply that does not fit is the handler's failure.
 */
export function handler<M extends Schema, R extends Schema, State = any, Key = string, U extends Uses = any>(
  schemas: { readonly message: M; readonly reply: R },
  run: (turn: Turn<InputOf<M>, Key, State, U>) => InputOf<R> | Promise<InputOf<R>>,
): HandlerOptions {
  return { ...schemas, run };
}
// oxlint-enable typescript/no-explicit-any

export interface ServiceOptions<U extends Uses = Uses> extends Pick<
  AgentOptions<Schema, Schema, U>,
  'name' | 'purpose' | 'image' | 'uses' | 'spawns' | 'services' | 'ceilings' | 'budget' | 'onUnknown'
> {
  /** Keys are texts; what kind of texts, this says. */
  readonly key?: Schema;
  readonly state?: Schema;
  /** What the state of an instance is before its first message. */
  readonly initial?: unknown;
  readonly on: Readonly<Record<string, HandlerOptions>>;
}

/**
 * Defines a service. An instance of it is made for a key when the first message for that key comes. It takes one message at a
 * time, each in a fresh isolate with the state that the turn before has left; `budget`, `ceilings` and wall time hold for each turn.
 */
export function defineService<const U extends Uses>(options: ServiceOptions<U>): AgentDefinition {
  return {
    [AGENT]: options as unknown as AgentOptions,
    name: options.name,
    purpose: options.purpose ?? '',
    input: undefined,
    output: undefined,
    run: () => undefined,
  };
}
