/**
 * The people whose private data an entry of a journal may hold, for others who want to read it: what its run had read by then, and what is in the entry
 * without having been read, as the values behind handles. Live entries record it; of others it is computed from the journal in the same way.
 */
import { unionOf, WORST, type Names } from '@corral/policy/flow/labels';
import type { Kept } from '@corral/protocol/model/label';
import type { Entry, HostEvent } from '@corral/protocol/model/run';
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import { slotted } from '../ledger/handles.ts';
import type { Ledger } from '../ledger/ledger.ts';

const NONE: Names = [];

/**
 * The part of it that is known before the ledger has applied the entry: what its run has read so far, and what the entry brings. Results of
 * calls count by the tool's declaration, although the run reads neither the value of a handle nor all that a failure says.
 * @returns a function to call once the ledger has applied it, which gives the whole
 */
export function privateTo(
  ledger: Ledger,
  { delivery, event }: { readonly delivery: PendingDelivery | undefined; readonly event: HostEvent | undefined },
): (entry: Pick<Entry, 'event'>) => Names {
  let names = ledger.label?.private_to ?? NONE;
  if (delivery !== undefined) names = unionOf(names, inDelivery(ledger, delivery));
  // An event that lowers the label may repeat what it was lowered from, and so may what the host records of a call.
  if (event !== undefined && 'id' in event) names = unionOf(names, inCall(ledger, event.id));
  return ({ event: last }) => {
    const { handles, finished, label, flow } = ledger;
    let all = unionOf(names, unionOf(label?.private_to ?? NONE, flow?.label.private_to ?? NONE));
    // A run begins with values that it holds as handles, and a checkpoint has all of them.
    if (delivery?.kind === 'start' || last?.kind === 'checkpoint') all = unionOf(all, handles.privateTo);
    // People are given the output with the values of its handles.
    if (finished?.handles !== undefined)
      for (const { held } of slotted(handles, finished, ['output'])) all = unionOf(all, held.label.private_to);
    return all;
  };
}

function inDelivery(ledger: Ledger, delivery: PendingDelivery): Names {
  let names: Names = 'label' in delivery ? (delivery.label?.private_to ?? NONE) : NONE;
  if (delivery.kind === 'message' || delivery.kind === 'child_ended')
    for (const { label } of delivery.handles ?? []) names = unionOf(names, label.private_to);
  if (delivery.kind === 'chunk') return unionOf(names, inCall(ledger, delivery.id));
  if (delivery.kind === 'reply')
    for (const result of delivery.results) {
      names = unionOf(names, inCall(ledger, result.id));
      // The label of a kept value counts also where the run holds it as a handle, or labels are not tracked any more.
      if ('kept' in result && result.kept !== undefined) names = unionOf(names, inKept(ledger, result.kept));
    }
  return names;
}

const inKept = ({ flow }: Ledger, { label }: Kept): Names => label?.private_to ?? (flow === undefined ? NONE : WORST.private_to);

/** The names of the answer to an effect, by its number. */
function inCall(ledger: Ledger, id: number): Names {
  const pending = ledger.pending.get(id);
  const opened = pending?.kind === 'decided' ? (pending.opened?.label.private_to ?? NONE) : NONE;
  const call = pending?.kind === 'decided' || pending?.kind === 'approval' ? pending.call : pending;
  if (call === undefined || !('facts' in call)) return opened;
  const declared = call.facts?.private_to;
  const names = unionOf(opened, declared === undefined ? NONE : [declared]);
  return (call.handled ?? []).reduce((all, { label }) => unionOf(all, label.private_to), names);
}
