/** Decisions of people about the calls of a run, from its journal. */
import type { RunId } from '@corral/protocol/ids';
import type { HostEvent } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import { shapeOf } from '../governance/shape.ts';
import { questionIn } from '../governance/shown.ts';
import { fromItsBeginning } from './context.ts';

/** One person's word about a call, or that there was none in time. */
export interface DecidedCall {
  readonly call: number;
  readonly tool: string;
  /** Whether people were asked a question, and not whether the call may be made. */
  readonly question: boolean;
  readonly shape: string;
  readonly by: string;
  /** `withdrawn`: the capability was taken back before anybody had decided. */
  readonly verdict: 'approve' | 'deny' | 'expired' | 'withdrawn';
  readonly reason: string;
  /** When people were asked, and when it was decided. Milliseconds since 1970. */
  readonly asked_at: number;
  readonly at: number;
}

/**
 * In the order of the journal; what was pruned of it is left out.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_JOURNAL_DAMAGED, CORRAL_JOURNAL_PRUNED, CORRAL_RUN_ERASED
 */
export async function decidedIn(store: Store, run: RunId): Promise<readonly DecidedCall[]> {
  const { ledger, pages, apply } = await fromItsBeginning(store, run);
  const found: DecidedCall[] = [];
  for await (const entries of pages)
    for (const entry of entries) {
      const { event, at } = entry;
      const said = event && wordIn(event);
      const asked = said && ledger.pending.get(said.call);
      if (said !== undefined && asked?.kind === 'approval') {
        const { call, by, reason, verdict } = said;
        const { tool } = asked.call;
        const question = questionIn(asked) !== undefined;
        const shape = shapeOf({ ...ledger.record, ...asked.call });
        found.push({ call, tool, question, shape, by, verdict, reason, asked_at: asked.since, at });
      }
      apply(entry);
    }
  return found;
}

/** The part of an event that says what became of a question to people. */
function wordIn(event: HostEvent): Pick<DecidedCall, 'call' | 'by' | 'verdict' | 'reason'> | undefined {
  if (event.kind === 'approval') return { call: event.id, by: event.by, verdict: event.verdict, reason: event.reason };
  if (event.kind !== 'unanswered' || !('error' in event.result) || event.result.error.code !== 'CORRAL_REVOKED') return undefined;
  return { call: event.id, by: 'host', verdict: 'withdrawn', reason: event.result.error.message };
}
