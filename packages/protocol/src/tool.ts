/** The Tool port: a power of the host that agents reach through a capability. */
import type { Contract } from './contract.ts';
import type { Cost, Costs } from './cost.ts';
import type { ErrorCode } from './errors.ts';
import type { RunId, TenantId } from './ids.ts';
import type { Json } from './json.ts';

/** What a tool says of itself: MCP's words, and ours (DESIGN 5). They decide about the embargo, retries and what a lost reply means. */
export interface ToolAnnotations {
  /** It changes nothing. */
  readonly readOnly: boolean;
  /** Doing it twice with one idempotency key is doing it once. */
  readonly idempotent: boolean;
  /** What it changes cannot be changed back. */
  readonly destructive: boolean;
  /** It reaches beyond this host. */
  readonly openWorld: boolean;
  /** It costs, but changes nothing, so it may be repeated. */
  readonly repeatable: boolean;
  /** Whether what it returns may have been written by a stranger. */
  readonly returns: 'trusted' | 'untrusted';
  /** Arguments that say where data or money goes. */
  readonly destinations?: readonly string[];
  /**
   * The argument that says how much money it moves, in whole units of the tenant's currency. So much is reserved of the purse when
   * it is called, and billed once it has answered.
   */
  readonly money?: string;
  /** What one attempt at a call costs at most, besides the money it moves. Nothing where it is left out. */
  readonly costs?: Costs;
  /** Its results may hold private data, and whose. */
  readonly private_to?: string;
  /** It lowers labels, each time on the word of the principal who answers for it, and nobody else's. */
  readonly relabels?: { readonly kind: 'endorse' | 'declassify'; readonly owner: string };
  /** What it touches, so that interference through a shared tool can be seen. */
  readonly resource?: string;
}

export interface ToolCall {
  readonly input: Json;
  /** One per logical call, whatever the number of attempts: `run_…:7`. */
  readonly idempotency_key: string;
  readonly attempt: number;
  readonly run: RunId;
  readonly tenant: TenantId;
  /** Aborted when the call timed out, was given up, or its run was killed. */
  readonly signal: AbortSignal;
}

/**
 * How an attempt ended. `unknown` is for a tool that was lost after it began: it may or may not have acted. `detail` is for operators
 * alone, such as the stack of an exception: the journal has it, the agent is not given it.
 */
export type ToolResult<Value = unknown> =
  /**
   * `cost`: what the attempt cost in all, money that it moved included. Of an amount that is not said, all that was reserved is
   * billed; what is said beyond that is billed too, and ends the run where its purse does not have it.
   */
  | { readonly kind: 'ok'; readonly value: Value; readonly cost?: Cost }
  /**
   * `retryable`: it did nothing, and might do it at the next attempt; it costs nothing then, unless `cost` says otherwise.
   * `code`: what kind of failure it is, where that is not CORRAL_TOOL_FAILED.
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

/** Its arguments, or what it answers, do not fit. */
export type FailureCode = Extract<ErrorCode, 'CORRAL_ARGS_INVALID' | 'CORRAL_RESULT_INVALID' | 'CORRAL_RESULT_TOO_LARGE'>;

export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly input: Contract;
  readonly output: Contract;
  readonly annotations: ToolAnnotations;
  /** For one attempt; undefined: the host's default. */
  readonly timeout_ms?: number;
  /** Never rejects. */
  invoke(call: ToolCall): Promise<ToolResult>;
  close?(): Promise<void>;
}

/** Where tools come from that have something to be closed. */
export interface ToolSource {
  tools(): readonly Tool[];
  /** No call goes to its tools from now on; those under way have so long to end. */
  close(within_ms?: number): Promise<void>;
}

/** Reading inside the host: may start before the commit, since nobody can tell afterwards that it did. */
export function mayStartEarly(annotations: ToolAnnotations): boolean {
  return annotations.readOnly && !annotations.openWorld;
}

/** Whether a call whose reply was lost may simply be made again. */
export function mayRepeat(annotations: ToolAnnotations): boolean {
  return annotations.readOnly || annotations.idempotent || annotations.repeatable;
}
