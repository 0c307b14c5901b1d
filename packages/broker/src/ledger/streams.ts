/**
 * Streams in a ledger: what a run was given of each, and whether it waits for more. The stream of a call is open for as long as the call is
 * pending; its reply ends it.
 */
import { joinedParts } from '@corral/policy/flow/streamed';
import type { ChunkDelivery, Result } from '@corral/protocol/wire/delivery';
import { errorData } from '@corral/protocol/errors';
import type { Batch } from '../effects/batch.ts';
import { Violation } from '../effects/refused.ts';
import { readParts } from '../policies/flow.ts';
import type { Books } from './books.ts';
import type { Pending, PendingCall, StreamState } from './pending.ts';

export const UNREAD_STREAM: StreamState = { parts: 0 };

/** @throws Violation for an effect that the run did not make, or that does not stream */
export function decidePull(ledger: Books, id: number, batch: Batch): void {
  const pending = ledger.pending.get(id);
  if (streamOf(pending) !== undefined) batch.pulls.push(id);
  // It may have ended, or been refused, without the run knowing yet.
  else if (id > ledger.lastId || pending?.kind === 'call' || pending?.kind === 'approval')
    throw new Violation('CORRAL_EFFECT_INVALID', `The run asked for a chunk of effect ${id}, which does not stream.`);
}

export function takePull({ pending }: Books, id: number): void {
  const one = pending.get(id);
  const stream = streamOf(one);
  if (stream !== undefined) set(pending, one as Pending, { ...stream, asked: true });
}

/** @param bytes length of the delivery */
export function takeChunk(ledger: Books, { id, parts, inspected, at }: ChunkDelivery, bytes: number): void {
  const { purse, pending, flow, tally } = ledger;
  if (inspected?.cost !== undefined) tally.settle({ reserved: {} }, inspected.cost, at);
  purse.spend('bytes', Math.max(0, Math.min(bytes, purse.left('bytes'))));
  const one = pending.get(id);
  // The capability may have been taken back while the run was reading the chunk.
  const call = one?.kind === 'decided' ? one.call : one;
  if (call?.kind !== 'call' || call.stream === undefined) return;
  const { stream } = call;
  const read = flow === undefined ? undefined : joinedParts(parts, stream.tails ?? {});
  if (read !== undefined) readParts(ledger, call, read.value);
  if (one === call) set(pending, call, { parts: stream.parts + parts.length, ...(read === undefined ? {} : { tails: read.tails }) });
}

/** The result of a call whose stream broke off after parts of it were delivered. It costs what was reserved, since what it cost is lost with its host. */
export function lostStream({ id, tool, stream }: PendingCall): Result {
  const parts = stream?.parts ?? 0;
  const message = `The answer of ${tool} broke off after ${parts} parts: the host that had it is gone.`;
  return { id, error: errorData('CORRAL_STREAM_LOST', message, { call: id }) };
}

/** Whether parts of the answer to a call were delivered, so that the call may not be made again. */
export const hasBegun = (call: PendingCall): boolean => (call.stream?.parts ?? 0) > 0;

/** The stream of a pending effect; undefined if it has none. */
export function streamOf(pending: Pending | undefined): StreamState | undefined {
  if (pending?.kind === 'call') return pending.stream;
  return pending?.kind === 'approval' ? pending.call.stream : undefined;
}

function set(pending: Map<number, Pending>, one: Pending, stream: StreamState): void {
  if (one.kind === 'call') pending.set(one.id, { ...one, stream });
  else if (one.kind === 'approval') pending.set(one.id, { ...one, call: { ...one.call, stream } });
}
