/** The SDK's types: what an agent author writes and is given (DESIGN 6). */
import type { Outcome } from '@corral/protocol/outcome';
import type { Attenuation, Predicate, Right } from '@corral/protocol/grant';
import type { Budget, CeilingsRequest } from '@corral/protocol/manifest';

export type { Attenuation, Budget, Outcome, Predicate, Right };
export type Ceilings = CeilingsRequest;

/** Where a definition keeps what it was made from. */
export const AGENT: unique symbol = Symbol.for('corral.agent') as never;

/** Any Standard Schema (standardschema.dev, version 1), with the part that writes JSON Schema where a library has it. */
export interface Schema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => ValidationResult<Output> | Promise<ValidationResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    readonly jsonSchema?: {
      readonly input: (options: { target: 'draft-2020-12' }) => object;
      readonly output: (options: { target: 'draft-2020-12' }) => object;
    };
  };
}
type ValidationResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };
export type InputOf<S> = S extends Schema<unknown, infer Output> ? Output : unknown;

/**
 * The tools an agent can name, with their argument and result types. A host's own tools are added by declaration
 * merging: `declare module '@corral/guest' { interface Tools { 'crm.find': { input: …; output: … } } }`.
 */
export interface Tools {
  'fs.read': { input: { path: string; encoding?: 'utf8' | 'base64' }; output: { text: string; bytes: number; truncated: boolean } };
  'fs.list': { input: { path?: string }; output: { entries: { name: string; kind: 'file' | 'folder' | 'other' }[]; truncated: boolean } };
  /** Waits for its owner, who vouches for the value: it comes back as if nobody else had written it. */
  'label.endorse': { input: { value: unknown; reason: string } | { run: true; reason: string }; output: unknown };
  /** Waits for its owner, who lets everybody read the value. */
  'label.declassify': { input: { value: unknown; reason: string } | { run: true; reason: string }; output: unknown };
  'fs.write': { input: { path: string; text: string; encoding?: 'utf8' | 'base64' }; output: { bytes: number } };
}

/**
 * The services an agent can name, by handler. Added by declaration merging, like tools:
 * `declare module '@corral/guest' { interface Services { claims: { claim: { message: …; reply: … } } } }`.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- filled by those who have services
export interface Services {}
interface Handled {
  readonly message: unknown;
  readonly reply: unknown;
}
/** `await claims({ key: 'order-7', on: 'claim', message })`: one message to the instance of that key, answered by its handler. */
interface ServiceCapability<S> extends Held {
  <On extends keyof S & string>(
    input: { key: string; on: On; message: S[On] extends Handled ? S[On]['message'] : unknown },
    options?: CallOptions,
  ): Promise<S[On] extends Handled ? S[On]['reply'] : unknown>;
}

export interface SleepOptions {
  /** Calls it off: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
export interface CallOptions {
  /** For one attempt; the host's own limit holds besides. Fractions are rounded up; 0 or less rejects with TimedOut, and nothing is sent. */
  readonly timeout_ms?: number;
  readonly signal?: AbortSignal;
  /**
   * How often the host tries, with a growing wait in between and one idempotency key. Left out: 3 times where doing it twice does no
   * harm, else once. A call that may have happened is never tried again where that could do harm.
   */
  readonly retry?: { readonly attempts: number };
  /** Why, for the people who read the journal. */
  readonly reason?: string;
}

/**
 * A value that the agent moves and does not read: what could have influenced it does not influence the agent. It may stand anywhere in the
 * input of a call or a spawn, in a message, in a state, in an output. `open` reads it.
 */
export interface Handle<T = unknown> {
  /** `unknown` of a part, which nobody has looked at. */
  readonly type: 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null' | 'unknown';
  /** Length of its JSON text; of a part, that of the whole. */
  readonly bytes: number;
  /** A handle to a member, or an item, of what is behind it. Where there is none, using it is refused. */
  part<K extends keyof T & (string | number)>(name: K): Handle<T[K]>;
  part(name: string | number): Handle;
  /** Lets go of it for good. What was passed on of it stays with those who have it. */
  dispose(): void;
  /** Of what is behind it; never there. */
  readonly '~value'?: T;
}
/** A value in which handles may stand for parts. */
export type WithHandles<T> = T | Handle | (T extends object ? { readonly [K in keyof T]: WithHandles<T[K]> } : never);

/** Something that can be handed on, in `caps` of a spawn or of a message. */
export interface Grantable {
  /**
   * The same authority, narrowed. It can only take away. What is counted (`uses`, `rate`, `bytes`) is counted for each receiver it is
   * handed to, and together for all to whom that one hands it on.
   */
  attenuate(terms: Attenuation): Grantable;
}
/** Something that the run holds. */
interface Held extends Grantable {
  /** Lets go of it for good. What was passed on of it stays with those who have it. */
  dispose(): void;
}
export interface SendOptions {
  /** Goes along with the message; the receiver finds each under its name in `message.caps`. */
  readonly caps?: Readonly<Record<string, Grantable>>;
}
export interface Capability<Input, Output> extends Held {
  /** Rejects with Denied, BudgetExceeded, InvalidArguments, ToolFailed, TimedOut, Unknown or Revoked. */
  (input: WithHandles<Input>, options?: CallOptions): Promise<Output>;
  /** The same call, whose result stays with the host: the agent is given a handle to it. */
  handle(input: WithHandles<Input>, options?: CallOptions): Promise<Handle<Output>>;
}
export interface Mailbox extends Held {
  /** Resolves once the message is durably on its way: it will be delivered at least once, and seen once. */
  readonly send: (body: unknown, options?: SendOptions) => Promise<void>;
  /**
   * Sends and waits for the reply. Rejects with CORRAL_RECIPIENT_ENDED where the receiver ends, or has ended, without one;
   * CORRAL_MAILBOX_FULL; TimedOut; Revoked; Denied; BudgetExceeded.
   */
  readonly request: (body: unknown, options?: RequestOptions) => Promise<unknown>;
}
export interface RequestOptions extends SendOptions {
  /** How long to wait; left out: for as long as the run lasts. */
  readonly timeout_ms?: number;
  readonly signal?: AbortSignal;
}
export interface Message {
  /** Stamped by the host. */
  readonly from: { readonly run: string; readonly agent: string };
  /** Answers whoever asked by `request`, once. Throws where the message was only sent, or has been replied to. */
  readonly reply: (value?: unknown) => void;
  readonly body: unknown;
  /** Capabilities that the sender gave along, by its names for them. They are this run's until it disposes of them, checkpoints or ends. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what it is, only sender and receiver know
  readonly caps: Readonly<Record<string, any>>;
}
/** How long to wait, and what calls it off. */
export interface WaitOptions {
  /** Rejects with TimedOut once it is over. 0 or less: takes what is there, and waits for nothing. */
  readonly timeout_ms?: number;
  readonly signal?: AbortSignal;
}
/** Read in order, one at a time. */
export interface Stream<T> extends AsyncIterable<T> {
  /**
   * The next one. Where several wait, it goes to whoever began to wait last. A promise that has lost a `Promise.race` takes none until
   * somebody waits for it again, so that nothing is lost to a deadline. A cancel of the run rejects it with an AbortError.
   */
  readonly next: (options?: WaitOptions) => Promise<T>;
}
export type Messages = Stream<Message>;
/** The host has seen the run go in circles, or burn what it has, and will slow or stop it if that goes on. */
export interface Notice {
  /** What saw it: `repeat`, `cycle`, `stuck`, `runaway` and others. */
  readonly detector: string;
  /** One sentence about what was seen. */
  readonly text: string;
}

type CapabilityFor<Request> = Request extends 'mailbox'
  ? Mailbox
  : Request extends `tool:${infer Name}`
    ? Name extends keyof Tools
      ? Capability<Tools[Name]['input'], Tools[Name]['output']>
      : // oxlint-disable-next-line typescript/no-explicit-any -- a tool nobody has described yet
        Capability<any, any>
    : Request extends `service:${infer Name}`
      ? Name extends keyof Services
        ? ServiceCapability<Services[Name]>
        : // oxlint-disable-next-line typescript/no-explicit-any -- a service nobody has described yet
          Capability<{ key: string; on: string; message?: any }, any>
      : never;
export type Uses = Readonly<Record<string, `tool:${string}` | `service:${string}` | 'mailbox'>>;
export type Caps<U extends Uses> = { readonly [Alias in keyof U]: CapabilityFor<U[Alias]> };

export type ChildEnd = Outcome & { readonly run: string | undefined; readonly spent: Budget };
export interface Child {
  readonly id: number;
  /** How it ended, as a union by `kind`. Rejects only where this run is cancelled while it waits; asked for again, it waits again. */
  readonly ended: Promise<ChildEnd>;
  readonly mailbox: Mailbox;
  readonly send: Mailbox['send'];
}
export interface SpawnOptions {
  readonly caps?: Readonly<Record<string, Grantable>>;
  /**
   * Moved from the parent’s purse; what the child leaves comes back. Of an amount that is not
   * named a default is moved, as far as the parent has it, and of CPU time at most half of what is left.
   */
  readonly budget?: Budget;
}

export interface AgentContext<Input, U extends Uses> {
  readonly run: string;
  readonly purpose: string;
  readonly input: Input;
  readonly caps: Caps<U>;
  /** The run’s own mailbox, to hand to others. */
  readonly mailbox: Mailbox;
  readonly messages: Messages;
  /** Notices of the host about loops and runaways. An agent that reads them can change course; waiting for one keeps no run alive. */
  readonly notices: Stream<Notice>;
  readonly budget: Budget & { readonly slice: (part: Budget) => Budget };
  /** Aborted when somebody cancels the run; it then has a grace to tidy up. Whatever it waits for then rejects; what it begins later does not. */
  readonly signal: AbortSignal;
  /** Starts a child run of an agent named in `spawns`. A refusal shows in `ended`. */
  readonly spawn: (agent: AgentDefinition, input: unknown, options?: SpawnOptions) => Child;
  readonly emit: (event: string, data?: unknown) => void;
  readonly log: (...parts: unknown[]) => void;
  /** Waits; 0 or less for no time, Infinity for as long as the run may last. A cancel of the run rejects it with an AbortError. */
  readonly sleep: (ms: number, options?: SleepOptions) => Promise<void>;
  /** Reads what is behind a handle. From then on the run knows it, and counts as influenced by whatever could have influenced it. */
  readonly open: <T>(handle: Handle<T>) => Promise<T>;
  /** What the last checkpoint was given; undefined when the run begins. */
  readonly state: unknown;
  /**
   * Goes on as new: `run` is called again, in a fresh isolate, with this as its `state`, and nothing of what came before needs
   * to be replayed ever again. Needs no call and no child under way; calls that were given up are waited for, timers are called off.
   * Never returns.
   */
  readonly checkpoint: (state: unknown) => Promise<never>;
}

export interface AgentOptions<In extends Schema = Schema, Out extends Schema = Schema, U extends Uses = Uses> {
  readonly name: string;
  /** One sentence for the people who answer for this agent. */
  readonly purpose?: string;
  readonly image?: 'base';
  readonly input?: In;
  readonly output?: Out;
  readonly uses?: U;
  readonly spawns?: Readonly<Record<string, AgentDefinition>>;
  /** Services that are deployed with it. Naming one here gives no right to write to it; `uses` asks for that. */
  readonly services?: Readonly<Record<string, AgentDefinition>>;
  readonly ceilings?: Ceilings;
  readonly budget?: Budget;
  /** When the result of a call cannot be known: wait for a person (the default), or reject the call with Unknown. */
  readonly onUnknown?: 'wait' | 'tell';
  run(context: AgentContext<InputOf<In>, U>): unknown;
}
export interface AgentDefinition {
  readonly [AGENT]: AgentOptions;
  readonly name: string;
  readonly purpose: string;
  readonly input: Schema | undefined;
  readonly output: Schema | undefined;
  run(context: never): unknown;
}
