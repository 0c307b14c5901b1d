/** Services: agents with keyed, long-lived instances, which are written to and reply. */
import { checkFields } from './fields.ts';
import { AGENT, type AgentContext, type AgentDefinition, type AgentOptions, type InputOf, type Schema, type Uses } from './types.ts';

/** The argument of a handler: one message, and the instance it is for. */
export interface Turn<Message, Key, State, U extends Uses> extends Omit<
  AgentContext<unknown, U>,
  'input' | 'state' | 'mailbox' | 'messages' | 'notices' | 'open' | 'checkpoint'
> {
  /** The message, as its schema returns it. */
  readonly message: Message;
  /** The key of the instance. */
  readonly key: Key;
  /** The turn's own copy of the instance's state. Changes are kept if the handler returns, and discarded if it throws. */
  readonly state: State;
  /** The sender, stamped by the host: an agent cannot set this. */
  readonly from: { readonly run: string; readonly agent: string; readonly principal: string };
}

/** A handler as a definition stores it. */
export interface HandlerOptions {
  readonly message?: Schema | undefined;
  readonly reply?: Schema | undefined;
  run(turn: never): unknown;
}

// oxlint-disable typescript/no-explicit-any -- key, state and capabilities are typed by the service that the handler is in
/**
 * Answers one kind of message. Message and reply are checked in the service's own isolate: a message that does not fit is
 * answered with CORRAL_ARGS_INVALID; a reply that does not fit counts as a failure of the handler.
 */
export function handler<M extends Schema, R extends Schema, State = any, Key = string, U extends Uses = any>(
  schemas: { readonly message: M; readonly reply: R },
  run: (turn: Turn<InputOf<M>, Key, State, U>) => InputOf<R> | Promise<InputOf<R>>,
): HandlerOptions {
  return { ...schemas, run };
}
// oxlint-enable typescript/no-explicit-any

/** The definition of a service. */
export interface ServiceOptions<U extends Uses = Uses> extends Pick<
  AgentOptions<Schema, Schema, U>,
  'name' | 'purpose' | 'uses' | 'spawns' | 'code' | 'services' | 'ceilings' | 'budget' | 'onUnknown'
> {
  /** Schema of the keys, which are strings. */
  readonly key?: Schema;
  /** Schema of the state. A handler that leaves a state which does not fit fails, and the old state is kept. */
  readonly state?: Schema;
  /** State of an instance before its first message. JSON. */
  readonly initial?: unknown;
  /** Handlers by name. */
  readonly on: Readonly<Record<string, HandlerOptions>>;
}

/** A record, so that the compiler names a field that is missing here. */
const OF_SERVICE = {
  name: true,
  purpose: true,
  uses: true,
  spawns: true,
  code: true,
  services: true,
  ceilings: true,
  budget: true,
  onUnknown: true,
  key: true,
  state: true,
  initial: true,
  on: true,
} satisfies Record<keyof ServiceOptions, true>;

/**
 * Defines a service. An instance is created for a key with the first message to that key. It handles one message at a time, each
 * in a new isolate with the state that the last turn left; `budget`, `ceilings` and wall time apply to each turn.
 */
export function defineService<const U extends Uses>(options: ServiceOptions<U>): AgentDefinition {
  checkFields('defineService', options, OF_SERVICE);
  return {
    [AGENT]: options as unknown as AgentOptions,
    name: options.name,
    purpose: options.purpose ?? '',
    input: undefined,
    output: undefined,
    run: () => undefined,
  };
}
