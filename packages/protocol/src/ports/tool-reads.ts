/**
 * Port for what is read about one tool: the versions of agents that declare it, the runs that hold it, and who called it lately. The last calls
 * of each tool are rows of the front door; what runs hold is read from the run store, off the host's event loop.
 */
import type { Digest, GrantId, RunId } from '../ids.ts';

/** A grant to a tool, and the run that holds it and has not ended. */
export interface Holding {
  readonly run: RunId;
  readonly grant: GrantId;
}

/** A version of an agent that declares a tool, or has runs that hold it. */
export interface ToolVersion {
  readonly agent: string;
  readonly version: Digest;
  /** It is the one that `latest` points at, and the other aliases that do. */
  readonly latest: boolean;
  readonly aliases: readonly string[];
  /** The names by which the agent uses the tool. None: the tool was handed to its runs while they went on. */
  readonly as: readonly string[];
  /** Its runs that have not ended, and those of them that hold the tool. */
  readonly live: number;
  readonly holding: number;
}

/** A call whose agent got the result, or whose run ended before. */
export interface LateCall {
  readonly tenant: string;
  readonly tool: string;
  readonly run: RunId;
  readonly call: number;
  /** When it was over, in milliseconds since 1970; and since when the agent had waited for it, in milliseconds, where that is known. */
  readonly at: number;
  readonly ms: number | null;
  /** The code of the error; null: it was answered. */
  readonly code: string | null;
}
export type LateCallRow = LateCall & { readonly agent: string };

/** The last calls of each tool in each tenant. */
export interface LateCallTable {
  /**
   * Adds calls in one transaction, and deletes those of the same tools beyond a number of the latest.
   * @throws CORRAL_DISK_FULL; it takes nothing of the reserve
   */
  add(calls: readonly LateCall[], kept: number): void;
}

export interface ToolReads {
  /** The grants to a tool that these runs hold, without those that were revoked, themselves or above. */
  holdings(tool: string, runs: readonly string[]): Promise<readonly Holding[]>;
  /**
   * The versions that declare a tool and have an alias or runs that go on, and those whose runs hold it; by agent, the latest deployed first.
   * @param requests how manifests ask for it: `tool:pay`, or `tool:crm.find` and `mcp:crm`
   */
  toolVersions(tenant: string, tool: string, requests: readonly string[]): Promise<readonly ToolVersion[]>;
  /** The last calls of a tool, the latest first. */
  lateCalls(tenant: string, tool: string): Promise<readonly LateCallRow[]>;
}
