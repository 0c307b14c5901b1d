/** The SDK's types: what an agent's author writes and receives. */
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Attenuation, Predicate, Right } from '@corral/protocol/model/grant';
import type { Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { HttpAnswer, HttpHead, HttpPart, HttpRequest } from './http.ts';
import type { MemoryVerbs } from './memory.ts';
import type { ModelAnswer, ModelPart, ModelRequest } from './model.ts';
import type { InputOf, OutputOf, ProgramOutput, Schema, SentTo } from './schema.ts';

export type { Attenuation, Budget, Outcome, Predicate, Right };
export type * from './schema.ts';
export type Ceilings = CeilingsRequest;

/** The member of a definition that holds its options. */
export const AGENT: unique symbol = Symbol.for('corral.agent') as never;

/** An agent may return this for a schema of its output: handles may replace parts. */
type ResultFor<S> = unknown extends SentTo<S> ? unknown : WithHandles<SentTo<S>>;

/**
 * The tools an agent can name, with the types of their arguments and results. Add a host's own tools by declaration merging:
 * `declare module '@corral/guest' { interface Tools { 'crm.find': { input: …; output: … } } }`. `corral types` writes such a
 * declaration.
 */
export interface Tools {
  'fs.read': { input: { path: string; encoding?: 'utf8' | 'base64' }; output: { text: string; bytes: number; truncated: boolean } };
  'fs.list': { input: { path?: string }; output: { entries: { name: string; kind: 'file' | 'folder' | 'other' }[]; truncated: boolean } };
  /** Waits for the owner of the labels to vouch for the value: the result counts as uninfluenced by anybody else. */
  'label.endorse': { input: { value: unknown; reason: string } | { run: true; reason: string }; output: unknown };
  /** Waits for the owner of the labels to make the value public. */
  'label.declassify': { input: { value: unknown; reason: string } | { run: true; reason: string }; output: unknown };
  /** The tool of `ask`: a question to the owner of the agent, with the JSON Schema of the answer. */
  'owner.ask': { input: { question: string; schema?: object; misfit?: string }; output: unknown };
  'fs.write': { input: { path: string; text: string; encoding?: 'utf8' | 'base64' }; output: { bytes: number } };
}

/**
 * The services an agent can name, by handler. Add them by declaration merging, like tools: `declare module '@corral/guest' {
 * interface Services { claims: { claim: { message: …; reply: … } } } }`.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- filled by those who have services
export interface Services {}
interface Handled {
  readonly message: unknown;
  readonly reply: unknown;
}
/**
 * `await claims({ key: 'order-7', on: 'claim', message })` sends one message to the instance of that key and resolves with the
 * handler's reply.
 */
interface ServiceCapability<S> extends Held {
  <On extends keyof S & string>(
    input: { key: string; on: On; message: S[On] extends Handled ? S[On]['message'] : unknown },
    options?: CallOptions,
  ): Promise<S[On] extends Handled ? S[On]['reply'] : unknown>;
}

export interface SleepOptions {
  /** Cancels the wait: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
/** Options of a call to a tool or a service. */
export interface CallOptions {
  /**
   * Limit for one attempt, in milliseconds; the host's own limit also applies. Fractions are rounded up. With 0 or less, nothing
   * is sent and the call rejects with TimedOut.
   */
  readonly timeout_ms?: number;
  /** Gives the call up: the promise rejects with the signal's reason. The call may still have its effect. */
  readonly signal?: AbortSignal;
  /**
   * How many attempts the host makes, with growing waits in between and one idempotency key. Default: 3 if repeating the call is
   * harmless (a tool that is read-only or idempotent), else 1. A call that may already have had its effect is never repeated if
   * that could do harm.
   */
  readonly retry?: { readonly attempts: number };
  /** Why the agent makes this call, for people who read the journal. */
  readonly reason?: string;
}

/**
 * A value that the agent passes on without reading it, so that the value cannot influence the agent. A handle may be used
 * anywhere in the input of a call or a spawn, in a message, in a state, or in an output. `open` reads it.
 */
export interface Handle<T = unknown> {
  /** `unknown` for a part, whose type the host has not determined. */
  readonly type: 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null' | 'unknown';
  /** Length of the value's JSON text, in bytes; for a part, that of the whole value. */
  readonly bytes: number;
  /** A handle to a member or an item of the value. If there is no such part, the call that uses the handle is refused. */
  part<K extends keyof T & (string | number)>(name: K): Handle<T[K]>;
  part(name: string | number): Handle;
  /** Drops the handle for good. Runs to which it was passed on keep theirs. */
  dispose(): void;
  /** Carries the type of the value; never present at run time. */
  readonly '~value'?: T;
}
/** A value in which handles may replace parts. */
export type WithHandles<T> = T | Handle | (T extends object ? { readonly [K in keyof T]: WithHandles<T[K]> } : never);

/** A capability that can be passed on in `caps` of a spawn or a message. */
export interface Grantable {
  /**
   * The same capability with less authority. `uses`, `rate` and `bytes` are counted separately for each receiver that this run
   * hands it to; all to whom a receiver hands it on share that receiver's count.
   */
  attenuate(terms: Attenuation): Grantable;
}
/** A capability that the run holds. */
interface Held extends Grantable {
  /** Drops the capability for good. Runs to which it was passed on keep theirs. */
  dispose(): void;
}
/** Options of `send`. */
export interface SendOptions {
  /** Capabilities to send with the message; the receiver finds them under these names in `message.caps`. */
  readonly caps?: Readonly<Record<string, Grantable>>;
}
/**
 * The answer to a call in parts, in order. A part is asked for when the agent waits for it, so a slow agent slows the tool down. Leaving
 * the loop, or calling `return`, gives the call up.
 */
export interface PartStream<Part, End> extends AsyncIterable<Part, undefined> {
  /** The next part. Rejects once with the error that ended the stream, after the parts before it; StreamLost if it broke off. */
  readonly next: () => Promise<IteratorResult<Part, undefined>>;
  /** Gives the call up, if the stream has not ended. */
  readonly return: () => Promise<IteratorResult<Part, undefined>>;
  readonly [Symbol.asyncIterator]: () => PartStream<Part, End>;
  /**
   * The result of the tool, which comes when it has handed over all parts. Resolves after the last part was read; if nobody reads the parts, the tool waits
   * until the call times out. Rejects with the error that the iteration gets, and with an AbortError after the call was given up; no run
   * fails because nobody handles that.
   */
  readonly result: Promise<End>;
}
/** A tool that the run may call. */
export interface Capability<Input, Output, Part = unknown, End = unknown> extends Held {
  /** Calls the tool. Rejects with Denied, BudgetExceeded, InvalidArguments, ToolFailed, TimedOut, Unknown or Revoked. */
  (input: WithHandles<Input>, options?: CallOptions): Promise<Output>;
  /** Makes the same call and resolves with a handle: the result stays on the host. */
  handle(input: WithHandles<Input>, options?: CallOptions): Promise<Handle<Output>>;
  /**
   * Makes the call of a tool that can answer in parts, such as a model. It is one call, with one price; `timeout_ms` is for all of it. An
   * attempt that fails before a part was delivered may be repeated. Throws for arguments that cannot leave.
   */
  stream(input: WithHandles<Input>, options?: CallOptions): PartStream<Part, End>;
}
/** The address of a run: anyone who holds it can send messages to that run. */
export interface Mailbox extends Held {
  /** Resolves once the message is durable: it will be delivered, and the receiver sees it exactly once. */
  readonly send: (body: unknown, options?: SendOptions) => Promise<void>;
  /**
   * Sends a message and resolves with its reply. Rejects with CORRAL_RECIPIENT_ENDED if the receiver ends, or has ended, without
   * a reply; with CORRAL_MAILBOX_FULL, TimedOut, Revoked, Denied or BudgetExceeded.
   */
  readonly request: (body: unknown, options?: RequestOptions) => Promise<unknown>;
}
export interface RequestOptions extends SendOptions {
  /** How long to wait, in milliseconds; left out: as long as the run lasts. */
  readonly timeout_ms?: number;
  /** Gives the wait up: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
/** A message from another run. */
export interface Message {
  /** The sender, stamped by the host: an agent cannot set this. */
  readonly from: { readonly run: string; readonly agent: string };
  /** Replies to a `request`. Throws if the message was sent by `send`, or already has a reply. */
  readonly reply: (value?: unknown) => void;
  /** Written by the sender. Not checked by the host, except that it is JSON. */
  readonly body: unknown;
  /**
   * Capabilities that the sender passed along, by the sender's names. The run holds them until it disposes of them, checkpoints
   * or ends.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- only sender and receiver know their types
  readonly caps: Readonly<Record<string, any>>;
}
/** Limits of a wait. */
export interface WaitOptions {
  /**
   * How long to wait, in milliseconds; then the promise rejects with TimedOut. 0 or less: returns an item that is already there,
   * without waiting.
   */
  readonly timeout_ms?: number;
  /** Gives the wait up: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
/** Items that arrive over time, read in order, one at a time. */
export interface Stream<T> extends AsyncIterable<T> {
  /**
   * The next item. If several callers wait, it goes to the one that began to wait last. A promise that has lost a `Promise.race`
   * receives no item until it is awaited again, so that a deadline loses nothing. Rejects with an AbortError if the run is
   * cancelled.
   */
  readonly next: (options?: WaitOptions) => Promise<T>;
}
export type Messages = Stream<Message>;
/**
 * A finding of the host's detectors: the run is looping, or spends its budget too fast. The host slows or stops the run if this
 * goes on.
 */
export interface Notice {
  /** Name of the detector: `repeat`, `cycle`, `stuck`, `runaway` and others. */
  readonly detector: string;
  /** One sentence about the finding. */
  readonly text: string;
}

/**
 * `corral types` declares `tools: true` here: then `Tools` names all tools that there are, and `uses` takes no other. Without such a
 * declaration a tool that `Tools` does not name may be used, and its calls are not typed.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- members are added by declaration merging
export interface Declared {}

/** The host's models, by name: `corral types` declares them. */
// oxlint-disable-next-line typescript/no-empty-object-type -- members are added by declaration merging
export interface Models {}

type ModelNamed = Declared extends { readonly tools: true } ? `model:${Extract<keyof Models, string>}` : `model:${string}`;
type ToolRequest = Declared extends { readonly tools: true } ? `tool:${Extract<keyof Tools, string>}` : `tool:${string}`;

type CapabilityFor<Request> = Request extends 'mailbox'
  ? Mailbox
  : Request extends `tool:${infer Name}`
    ? Name extends keyof Tools
      ? Capability<Tools[Name]['input'], Tools[Name]['output']>
      : // oxlint-disable-next-line typescript/no-explicit-any -- a tool without a declaration
        Capability<any, any>
    : Request extends `service:${infer Name}`
      ? Name extends keyof Services
        ? ServiceCapability<Services[Name]>
        : // oxlint-disable-next-line typescript/no-explicit-any -- a service without a declaration
          Capability<{ key: string; on: string; message?: any }, any>
      : Request extends `model:${string}`
        ? Capability<ModelRequest, ModelAnswer, ModelPart, ModelAnswer>
        : Request extends `http:${string}`
          ? Capability<HttpRequest, HttpAnswer, HttpPart, HttpHead>
          : Request extends `mcp:${infer Server}`
            ? ServerTools<Server> & Grantable
            : Request extends `${infer Kind extends keyof MemoryVerbs}:${string}`
              ? MemoryTools<MemoryVerbs[Kind]> & Grantable
              : never;
/** The verbs of a memory: `caps.notes.get(…)`. */
type MemoryTools<Verbs> = {
  readonly [Name in keyof Verbs]: Verbs[Name] extends { input: infer Input; output: infer Output } ? Capability<Input, Output> : never;
};
/** All tools of an MCP server, by their names there: `caps.crm.search(…)`. */
type ServerTools<Server extends string> = Declared extends { readonly tools: true }
  ? {
      readonly [Name in keyof Tools as Name extends `${Server}.${infer Member}` ? Member : never]: Tools[Name] extends {
        readonly input: infer Input;
        readonly output: infer Output;
      }
        ? Capability<Input, Output>
        : never;
    }
  : // oxlint-disable-next-line typescript/no-explicit-any -- tools without declarations
    Readonly<Record<string, Capability<any, any>>>;
type Named = 'service' | 'http' | 'mcp' | keyof MemoryVerbs;
export type Uses = Readonly<Record<string, ToolRequest | ModelNamed | `${Named}:${string}` | 'mailbox'>>;
export type Caps<U extends Uses> = { readonly [Alias in keyof U]: CapabilityFor<U[Alias]> };

/**
 * The outcome of a child, its run id (undefined if the spawn was refused), and what it spent. The output of a child that completed has the
 * type of its agent's `output` schema.
 */
export type ChildEnd<Output = unknown> = (
  | Exclude<Outcome, { kind: 'completed' }>
  | { readonly kind: 'completed'; readonly output: Output }
) & { readonly run: string | undefined; readonly spent: Budget };
/** A child run, as its parent sees it. */
export interface Child<Output = unknown> {
  /** Number of the spawn among this run's effects. */
  readonly id: number;
  /**
   * How the child ended, as a union by `kind`. Rejects only if this run is cancelled while it waits; reading `ended` after that
   * waits again.
   */
  readonly ended: Promise<ChildEnd<Output>>;
  /** The child's mailbox, for requests and for passing on. */
  readonly mailbox: Mailbox;
  /** Sends the child a message: the same as `mailbox.send`. */
  readonly send: Mailbox['send'];
}
/** Options of `spawn`. */
export interface SpawnOptions {
  /** Capabilities for the child, by the aliases in its `uses`. */
  readonly caps?: Readonly<Record<string, Grantable>>;
  /**
   * Amounts to move from the parent's purse; what the child does not use comes back. For an amount that is left out, a default is
   * moved, as far as the parent has it; for CPU time at most half of what the parent has left.
   */
  readonly budget?: Budget;
}

/** Options of `spawn.code`. */
export interface CodeOptions<Out extends ProgramOutput = ProgramOutput> {
  /** Capabilities for the program, by the names under which it finds them in `caps`. It has no others. */
  readonly caps?: Readonly<Record<string, Grantable>>;
  /** As for `spawn`. */
  readonly budget?: Budget;
  /** The program's `input`: data that it works on, handles included. */
  readonly input?: unknown;
  /** Accepted as its result. Another result is an end of kind `failed` with CORRAL_OUTPUT_INVALID. */
  readonly output?: Out;
}

/** Options of `ask`: how long to wait, in milliseconds; a signal that gives the question up; and a reason for the journal. */
export type AskOptions = Pick<CallOptions, 'timeout_ms' | 'signal' | 'reason'>;

/** An agent accepts this as an answer of its owner: a value that fits a schema, true or false, a number, or one of these words. */
export type AnswerSchema = ProgramOutput;

/**
 * Puts a question to the owner of the agent, and resolves with the answer of a person, as the schema returns it. The agent needs
 * `uses: { owner: 'tool:owner.ask' }`. The run may leave memory while it waits, and a restart of the host changes nothing.
 *
 * The host takes no answer that does not fit the JSON Schema of the answer. The schema's own code, such as a refinement or a pattern, is
 * run here; if it does not take the answer, the question is put once more, with the reason. An answer counts as trusted, and allows
 * nothing by itself: capabilities and policies decide as before. People see the question as text of the agent, together with the
 * strangers whose texts the run has read. Rejects with Denied if the owner declines, ApprovalExpired if nobody answers in time, TimedOut,
 * BudgetExceeded if too many questions of the run wait, and InvalidArguments for a schema with references or conditions.
 *
 * @example
 * const where = await ask('Where may I deploy this?', ['staging', 'production']);
 * const limit = await ask('How much may it cost?', z.number().max(1000), { timeout_ms: 3_600_000 });
 */
export interface Ask {
  /** Without `answer`, the answer is a text. */
  <const A extends AnswerSchema = Schema<string>>(question: WithHandles<string>, answer?: A, options?: AskOptions): Promise<OutputOf<A>>;
}

/** Starts child runs. If a spawn is refused, `ended` says so. */
export interface Spawn {
  /** A child run of an agent that is named in `spawns`. Its input has the type of the agent's `input` schema. */
  <In, Out>(agent: AgentDefinition<In, Out>, input: WithHandles<NoInfer<In>>, options?: SpawnOptions): Child<Out>;
  /**
   * A child run of a program that was made at run time, by a model for instance. The agent's definition must say `code: true`.
   *
   * @param source JavaScript, as the body of an async function: `return` gives the result. In scope are `input`, `caps`, `budget`, `emit`, `log`,
   * `sleep`, `signal`, `open`, `ask`, `mailbox`, `messages`, `notices`, `state`, `checkpoint` and `run`, as in an agent's context. There is no `import`,
   * and a program starts no children
   */
  readonly code: <const Out extends ProgramOutput = Schema>(source: string, options?: CodeOptions<Out>) => Child<OutputOf<Out>>;
}

/** The argument of an agent's `run`: everything that the agent can see and do. */
export interface AgentContext<Input, U extends Uses> {
  /** The id of this run. */
  readonly run: string;
  /** The purpose from the agent's definition. */
  readonly purpose: string;
  /** The input of the job, or of the spawn, as the agent's input schema returns it. */
  readonly input: Input;
  /** Capabilities by the aliases in `uses`. Reading one that was not granted throws CORRAL_CAP_NOT_GRANTED. */
  readonly caps: Caps<U>;
  /** The run's own mailbox, for passing on to others. */
  readonly mailbox: Mailbox;
  /** Messages from other runs. */
  readonly messages: Messages;
  /**
   * Findings of the host about loops and runaways. An agent that reads them can change its behaviour. A run that waits only for a
   * notice counts as having nothing to wait for.
   */
  readonly notices: Stream<Notice>;
  /** The run's purse at its start. `slice` checks a part of it for `spawn`; the amounts move when the spawn is decided. */
  readonly budget: Budget & { readonly slice: (part: Budget) => Budget };
  /**
   * Aborted when the run is cancelled; the run then has a grace period for cleaning up. Promises that wait at that moment reject;
   * those made later do not.
   */
  readonly signal: AbortSignal;
  /** Starts a child run of an agent that is named in `spawns`; `spawn.code` runs a program. */
  readonly spawn: Spawn;
  /** Adds an event to the run's journal and to the host's stream of events. `event`: a short name; `data`: JSON. */
  readonly emit: (event: string, data?: unknown) => void;
  /** Writes a line to the run's log; the same as `console.log`. */
  readonly log: (...parts: unknown[]) => void;
  /**
   * Resolves after this many milliseconds; 0 or less: at once; Infinity: after the longest time that a run may last. Rejects with
   * an AbortError if the run is cancelled.
   */
  readonly sleep: (ms: number, options?: SleepOptions) => Promise<void>;
  /**
   * Reads the value of a handle. From then on the run counts as influenced by everything that could have influenced the value.
   */
  readonly open: <T>(handle: Handle<T>) => Promise<T>;
  /** Puts a question to the owner of the agent, and resolves with the answer of a person: `await ask('Go on?', 'boolean')`. */
  readonly ask: Ask;
  /** The argument of the last `checkpoint`; undefined before the first one. */
  readonly state: unknown;
  /**
   * Starts over with this state: `run` is called again in a new isolate with it as `state`, and what came before is never
   * replayed again. No call, request or child may be under way. Calls that were given up are waited for, and timers are
   * cancelled. Never returns.
   *
   * @throws CORRAL_CHECKPOINT_BUSY if something is under way
   */
  readonly checkpoint: (state: unknown) => Promise<never>;
}

/** The definition of an agent. */
export interface AgentOptions<In extends Schema = Schema, Out extends Schema = Schema, U extends Uses = Uses> {
  /** Lower-case letters, digits and `. _ / -`, such as `count/reader`; unique within a bundle. */
  readonly name: string;
  /** One sentence for the people who answer for this agent. */
  readonly purpose?: string;
  /** Schema of the input. An input that does not fit fails the run with CORRAL_INPUT_INVALID. */
  readonly input?: In;
  /** Schema of the result of `run`. A result that does not fit fails the run with CORRAL_OUTPUT_INVALID. */
  readonly output?: Out;
  /** Capabilities that the agent asks for, by alias: `{ read: 'tool:fs.read', claims: 'service:claims', boss: 'mailbox' }`. */
  readonly uses?: U;
  /** Agents that this one may start as child runs. */
  readonly spawns?: Readonly<Record<string, AgentDefinition>>;
  /**
   * It may run programs that it makes at run time, by `spawn.code`. A program has no authority but what it is handed, so this adds nothing to
   * what the agent can reach.
   */
  readonly code?: boolean;
  /** Services that are deployed with the agent. This does not give the right to write to them; name them in `uses` for that. */
  readonly services?: Readonly<Record<string, AgentDefinition>>;
  /** Limits of a run that replace the host's defaults, within what the host allows. */
  readonly ceilings?: Ceilings;
  /** Amounts of a run's purse that replace the host's defaults, within what the host allows. */
  readonly budget?: Budget;
  /**
   * Behaviour when the result of a call is unknown: wait for a person to settle it (default), or reject the call with Unknown.
   */
  readonly onUnknown?: 'wait' | 'tell';
  /**
   * Runs the agent. Its result, or the promise's, is the run's output, which has the type of the `output` schema; an exception fails the
   * run.
   */
  run(context: AgentContext<InputOf<In>, U>): ResultFor<Out> | Promise<ResultFor<Out>>;
}
/** The result of `defineAgent` and `defineService`, which a module exports: `Input` is what a job or a spawn gives, `Output` what it gets. */
export interface AgentDefinition<Input = unknown, Output = unknown> {
  readonly [AGENT]: AgentOptions;
  /** Carries both types; never present at run time. */
  readonly '~types'?: { readonly input: Input; readonly output: Output };
  readonly name: string;
  readonly purpose: string;
  readonly input: Schema | undefined;
  readonly output: Schema | undefined;
  run(context: never): unknown;
}
