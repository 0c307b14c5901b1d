/** Calls on their way to tools, as the dispatcher keeps them, and what it tells of them. */
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { InputRequest } from '@corral/protocol/model/question';
import type { Result } from '@corral/protocol/wire/delivery';
import type { Bill } from '../accounts/price.ts';
import type { BrokerPowers } from '../bus.ts';
import type { Passed } from './breakers.ts';
import type { Chunk } from './streams.ts';
import type { Look } from './window.ts';

export type DispatchPowers = Pick<BrokerPowers, 'clock' | 'random' | 'limits' | 'isSure' | 'resultBytes' | 'lacksMemory' | 'traceparent'>;

/** Why a call was never made. */
export type NotMade = 'CORRAL_TOOL_BUSY' | 'CORRAL_QUARANTINED' | 'CORRAL_HOST_MEMORY';

export interface DispatchEvents {
  /** Whether a tool of a tenant is under quarantine; no call is sent to it then. */
  readonly isStopped: (tenant: TenantId, tool: string) => boolean;
  /** @param once the call may not be made again */
  readonly onResult: (run: RunId, result: Result, once: boolean) => void;
  /** The tool began, and its result is lost. */
  readonly onUnknown: (run: RunId, id: number, message: string, detail?: string) => void;
  /** The tool needs input of people. */
  readonly onInput: (run: RunId, id: number, request: InputRequest) => void;
  /** The next parts of a stream, for which the run has asked. */
  readonly onChunk: (run: RunId, chunk: Chunk) => void;
  /** The result of a streamed call is unknown. `then` is called if the chunk that was given last is taken back: its run does not read it yet. */
  readonly onTakeBack: (run: RunId, id: number, then: () => void) => void;
  /** A stream so far, before any more of it is delivered; see `Look`. */
  readonly onLook: (run: RunId, ...look: Parameters<Look>) => void;
}

export interface Going {
  readonly run: RunId;
  readonly id: number;
  readonly abort: AbortController;
  readonly stopTimer: () => void;
  /** The breaker that let the call through. */
  readonly breaker: Passed | undefined;
  /** Set while the call waits for its turn or its next attempt: ends the call without another attempt. */
  readonly giveUp: (() => void) | undefined;
  /** Another host may make the call again. */
  readonly repeats: boolean;
  /** The tool has answered, and its run has not been given all parts of the stream. */
  readonly ended: boolean;
  /** This host is stopping and has aborted the call. */
  stopped?: true;
}

/** One attempt to make a call. */
export interface Attempt {
  /** From 1. */
  readonly attempt: number;
  readonly breaker: Passed | undefined;
  readonly bill: Bill;
  /** An attempt before this one may have acted: its result is lost. */
  readonly lost: boolean;
  /** Reports what the attempt before was answered. */
  readonly before?: () => void;
}
