/** The Tool port: a power of the host that agents reach through a capability. */
import type { Checked, Contract } from './contract.ts';
import type { Cost, Costs } from '../model/cost.ts';
import type { KeepsFor, Narrowing } from '../model/grant.ts';
import type { Kept, Label } from '../model/label.ts';
import type { ErrorCode } from '../errors.ts';
import type { RunId, TenantId } from '../ids.ts';
import type { Json } from '../json.ts';
import type { GivenInput, InputRequest } from '../model/question.ts';
import type { Reaches } from '../wire/delivery.ts';
import type { PinnedSource } from './pins.ts';

/**
 * Declarations of a tool: MCP's annotations, and Corral's own. They decide about the embargo, retries and the meaning
 * of a lost reply.
 */
export interface ToolAnnotations {
  /** It changes nothing. */
  readonly readOnly: boolean;
  /** Repeating a call with the same idempotency key has no further effect. */
  readonly idempotent: boolean;
  /** Its changes cannot be undone. */
  readonly destructive: boolean;
  /** It reaches beyond this host. */
  readonly openWorld: boolean;
  /** It costs something but changes nothing, so it may be repeated. */
  readonly repeatable: boolean;
  /**
   * Whether a stranger may have written what it returns. `model`: it is made up from the arguments, so it is as trustworthy as they
   * are, and vouches for nothing that does not stand in them.
   */
  readonly returns: 'trusted' | 'untrusted' | 'model';
  /**
   * The fields that the system writes itself in results that strangers write in too (`model/field-path.ts`): a value of theirs that stands in no
   * stranger's text is a trusted one as an argument. A run that reads the result is as tainted as without them. Made from `Returns`, and complete:
   * a field that is not named is a stranger's.
   */
  readonly trusted_fields?: readonly string[];
  /** Arguments that say where data or money goes. */
  readonly destinations?: readonly string[];
  /**
   * The argument that holds how much money it moves, in whole units of the tenant's currency. The amount is reserved from the
   * purse when the call is decided, and billed once it has answered.
   */
  readonly money?: string;
  /** The most that one attempt costs, besides the money it moves. Left out: nothing. */
  readonly costs?: Costs;
  /** Its results may contain private data of this name. */
  readonly private_to?: string;
  /** It lowers labels. Each use needs the approval of this owner and of nobody else. */
  readonly relabels?: { readonly kind: 'endorse' | 'declassify'; readonly owner: string };
  /**
   * It is asked again and again until its answer changes: repeats of a call that succeeds do not count as a loop. Left out:
   * they do, unless the agent waits ever longer in between.
   */
  readonly polled?: boolean;
  /** The resource it touches, so that interference through a shared tool can be detected. */
  readonly resource?: string;
  /**
   * The people whose private data it may be told; `*` for everybody. Left out: it is not restricted. A call of a run that has read other private
   * data is denied, and nobody is asked.
   */
  readonly hears?: readonly string[];
  /**
   * Its calls are told the trace that they belong to, so that it can hand that on to whom it asks. Left out: they are not, because ids of traces
   * let those who get them see which requests belong together. It holds for grants that are made from then on.
   */
  readonly trace?: boolean;
}

/**
 * Says who writes the results of a tool: its author's word, or that of a configuration. With `untrusted`, these fields are strangers' and the others of the
 * result's schema are not; with `trusted`, these are not and everything else is.
 */
export type Returns = 'trusted' | 'untrusted' | { readonly untrusted: readonly string[] } | { readonly trusted: readonly string[] };

/** The provider of a model, and the model's id there. */
export interface Maker {
  /** `openai`, `anthropic`, `openai-compatible`; `scripted` and `recorded` for those that ask nobody. */
  readonly provider: string;
  readonly model: string;
}

/** The annotations of a service, and of a tool of which only the answer is known: its changes stay on this host and can be undone. */
export const REVERSIBLE_CHANGE: ToolAnnotations = {
  readOnly: false,
  idempotent: false,
  destructive: false,
  openWorld: false,
  repeatable: false,
  returns: 'trusted',
};

/** The annotations of a model: it costs something and changes nothing, and what it is asked leaves this host. */
export const ASKS_MODEL: ToolAnnotations = { ...REVERSIBLE_CHANGE, openWorld: true, repeatable: true, returns: 'model' };

/** Annotations that may depend on the arguments. */
export type CallAnnotations = Partial<Pick<ToolAnnotations, 'readOnly' | 'idempotent' | 'destructive' | 'returns' | 'trusted_fields'>>;

export interface ToolCall {
  /** The arguments, which fit the tool's schema. `run` has them as its first argument. */
  readonly input: Json;
  /** The same for all attempts of a logical call: `run_…:7`. */
  readonly idempotency_key: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** The run that calls. */
  readonly run: RunId;
  /** Its tenant. */
  readonly tenant: TenantId;
  /** Its agent, and the person it acts for: who submitted the first of its ancestors. */
  readonly agent: string;
  readonly person: string;
  /** For a tool that keeps data: whose it is. Absent for a grant of an older host, which is that of the agent and the person above. */
  readonly keeps_for?: KeepsFor;
  /**
   * For a tool that keeps data: the predicates of the capability and of all that it was derived from, which hold for the arguments. Where an answer
   * has several entries, they have to hold for the name of each. Absent: there are none.
   */
  readonly narrowed?: readonly Narrowing[];
  /**
   * For a tool that keeps data: the label of the arguments, which is that of the run when the call was decided, with those of the handles in
   * them. Absent: labels are not tracked, and nothing is known.
   */
  readonly label?: Label;
  /** For a tool that keeps data: the run has the answers to all of its calls with a lower number, durably. Absent: nothing is known. */
  readonly answered_below?: number;
  /** Aborted when the call timed out, was given up, or its run was killed. */
  readonly signal: AbortSignal;
  /**
   * The span of the call, as the header of W3C Trace Context says it; the same for all attempts, on every host. Set where the grant of the call
   * says `trace` and the host has telemetry. The agent cannot see it.
   */
  readonly traceparent?: string;
  /**
   * Set where the agent asked for a stream: hands over its next part, which the host copies. Resolves when there is room for another one;
   * a tool that goes on without waiting for that is refused. Rejects when the call was given up or refused: then the tool ends.
   */
  readonly part?: (part: Json) => Promise<void>;
  /** The answer to the request for input by which the attempt before ended; the call goes on from there. */
  readonly given?: GivenInput;
}

/**
 * How an attempt ended. `unknown`: the tool was lost after it began, so it may or may not have acted. `detail`: only for
 * operators, such as the stack of an exception; it is in the journal and withheld from the agent.
 */
export type ToolResult<Value = unknown> =
  /**
   * `cost`: total cost of the attempt, including money that it moved. For an amount that is left out, everything reserved is
   * billed; amounts beyond the reservation are billed too, and end the run if its purse does not have them. `kept`: for a tool that keeps data,
   * the label that the value was kept with, and who wrote it.
   */
  | { readonly kind: 'ok'; readonly value: Value; readonly cost?: Cost; readonly kept?: Kept }
  /**
   * `retryable`: it did nothing, and the next attempt may succeed; then it costs nothing, unless `cost` says otherwise. `code`:
   * the kind of failure, if other than CORRAL_TOOL_FAILED.
   */
  | {
      readonly kind: 'failed';
      readonly message: string;
      readonly retryable?: boolean;
      readonly cost?: Cost;
      readonly code?: FailureCode;
      readonly detail?: string;
    }
  | { readonly kind: 'unknown'; readonly message: string; readonly detail?: string };

/**
 * An attempt ended because the tool needs input of people: it has not done what it was called for, and costs nothing so far. The call waits, over
 * a restart of the host too, and the tool is then called once more with `given`.
 */
export interface NeedsInput {
  readonly kind: 'input_required';
  /** For who puts no questions to people, and takes this for a failure. */
  readonly message: string;
  readonly request: InputRequest;
  readonly detail?: undefined;
  readonly cost?: undefined;
}

/** How an attempt ended. */
export type ToolAnswer = ToolResult | NeedsInput;

/** The arguments, or the result, do not fit, a memory refuses what it is asked, or nobody is signed in at the server. */
export type FailureCode = Extract<
  ErrorCode,
  | 'CORRAL_LOGIN_NEEDED'
  | 'CORRAL_ARGS_INVALID'
  | 'CORRAL_RESULT_INVALID'
  | 'CORRAL_RESULT_TOO_LARGE'
  | 'CORRAL_MEMORY_FULL'
  | 'CORRAL_MEMORY_PRIVATE'
  | 'CORRAL_MEMORY_UNAVAILABLE'
>;

export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly input: Contract;
  readonly output: Contract;
  /**
   * It can answer in parts. Where `part` of a call is set, the result of `invoke` is what is known once the last part was handed over, and
   * does not repeat the parts.
   */
  readonly streams?: true;
  /** The contract of that result. Undefined: `output`. */
  readonly end?: Contract;
  /** The contract of one part. Undefined: any JSON. */
  readonly part?: Contract;
  readonly annotations: ToolAnnotations;
  /**
   * Annotations that differ for a call with these arguments, such as one that only reads. It is called when the call is decided and again after a
   * crash, and returns one of few objects, since they are compared by identity. Undefined: nothing.
   */
  readonly annotate?: (input: Json) => CallAnnotations | undefined;
  /** The writer of the result of a call with these arguments, as labels name it: an origin. Undefined: the tool. */
  readonly writer?: (input: Json) => string | undefined;
  /** For what is asked by HTTP. */
  readonly reaches?: Reaches;
  /** For one attempt. Milliseconds; undefined: the host's default. */
  readonly timeout_ms?: number;
  /** For a model. */
  readonly maker?: Maker;
  /**
   * The most that one attempt with these arguments costs, where that follows from more than one of them; instead of `costs`. It is
   * called while the call is decided, and again after a crash. Text: why the price cannot be bounded, so that the call is refused.
   */
  readonly bound?: (input: Json) => Cost | string;
  /**
   * Its calls are questions that a person answers, and it is never invoked. Checks an answer to a call with these arguments, in a bounded
   * number of steps, since the agent has chosen both.
   */
  readonly asks?: (input: Json, answer: Json) => Checked;
  /**
   * Checks an answer to a request for input of this tool, in a bounded number of steps. Left out: the tool makes no such requests.
   */
  readonly checkInput?: (request: InputRequest, answer: Json) => Checked;
  /**
   * It keeps data with labels: a call is told the label of its arguments and answers with that of what it gives back. So a write has no effect by
   * itself, as a message to a service has none, and what a later reader does with the value is decided by its label.
   */
  readonly keeps?: true;
  /** The server or memory that agents name to ask for all of its tools: `mcp:crm`, `kv:notes`. */
  readonly server?: string;
  /**
   * Why no call is made until a person has reviewed it; undefined: calls are made. Asked when a call is decided, and again before it is made
   * if people approved it later.
   */
  readonly suspended?: () => string | undefined;
  /** Never rejects. */
  invoke(call: ToolCall): Promise<ToolAnswer>;
  close?(): Promise<void>;
}

/**
 * Where tools come from: the host itself, the process of a configuration, a server elsewhere. A configuration owns its sources: they are
 * closed when another one takes its place, and when the host stops.
 */
export interface ToolSource {
  /** Those that there are now. */
  tools(): readonly Tool[];
  /**
   * Calls back each time `tools` has begun to answer otherwise. Other objects count, also if they declare the same: a tool of a
   * connection that was lost is replaced by that of the new connection. If all objects are the same ones as before, nothing is taken up.
   * The host then reads its configuration again and opens the source once more. If that fails because something cannot be offered any
   * more, the failure is recorded and the old source stays. Returns what ends that.
   */
  onChange(listener: () => void): () => void;
  /**
   * No call goes to its tools from now on: one that is made later fails, and says that it did nothing. Calls under way have so long to
   * end. After that each tool is closed once, however often this is called.
   */
  close(within_ms?: number): Promise<void>;
  /** The lists of tools in it that others declare, and a person has to accept. */
  readonly pinned?: readonly PinnedSource[];
}

/** A call that only reads inside the host may start before its crank is durable, because nobody can tell that it did. */
export function mayStartEarly(annotations: ToolAnnotations): boolean {
  return annotations.readOnly && !annotations.openWorld;
}

/** Whether a call whose reply was lost may be repeated. */
export function mayRepeat(annotations: ToolAnnotations): boolean {
  return annotations.readOnly || annotations.idempotent || annotations.repeatable;
}

const asAnnotated = new WeakMap<Tool, Map<CallAnnotations, Tool>>();

/** The tool with the annotations of a call with these arguments. The same object for the same annotations. */
export function asCalled(tool: Tool, input: Json): Tool {
  const said = tool.annotate?.(input);
  if (said === undefined) return tool;
  let variants = asAnnotated.get(tool);
  if (variants === undefined) asAnnotated.set(tool, (variants = new Map()));
  let variant = variants.get(said);
  if (variant === undefined) {
    variant = { ...tool, annotations: { ...tool.annotations, ...said }, invoke: (call) => tool.invoke(call) };
    variants.set(said, variant);
  }
  return variant;
}

/** The annotations of a call with these arguments, which may not have been checked. */
export function annotationsOf(tool: Tool, input: Json | undefined): ToolAnnotations;
export function annotationsOf(tool: Tool | undefined, input: Json | undefined): ToolAnnotations | undefined;
export function annotationsOf(tool: Tool | undefined, input: Json | undefined): ToolAnnotations | undefined {
  return tool === undefined ? undefined : asCalled(tool, input ?? {}).annotations;
}
