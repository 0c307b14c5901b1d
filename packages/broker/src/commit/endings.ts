/** Ends of runs that the host decides. */
import { CorralError } from '@corral/protocol/errors';
import { MACHINE } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';
import { exceeded } from '../effects/common.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { overcharged } from '../accounts/spending.ts';

/** The outcome of a run that exceeds a ceiling or its budget; undefined if it does not. */
export function overrun(ledger: Ledger): Outcome | undefined {
  const { ceilings } = ledger.record;
  if (ledger.effects > ceilings.effects) return exceeded('effects', `The run made more than ${ceilings.effects} effects.`);
  if (ledger.logBytes > ceilings.log_bytes) return exceeded('log_bytes', `The run logged more than ${ceilings.log_bytes} bytes.`);
  if (ledger.journalBytes > ceilings.journal_bytes)
    return exceeded('journal_bytes', `The journal of the run is larger than ${ceilings.journal_bytes} bytes.`);
  if (ledger.purse.left('cpu_ms') < 0)
    return exceeded('cpu_total', `The run used more than its ${ledger.purse.granted.cpu_ms} ms of CPU time.`);
  return overcharged(ledger);
}

/** The outcome of a run whose crank takes its host too long to decide. */
export const undecided = (effectsText: string): Outcome =>
  exceeded(
    'decide',
    `Deciding ${effectsText.length} bytes of effects took more than ${MACHINE.decide_cpu_ms.default} ms of the host’s CPU time; let fewer of them leave in one crank.`,
  );

/** Wraps an unexpected exception as CORRAL_INTERNAL. */
export const internal = (error: unknown): CorralError =>
  error instanceof CorralError ? error : new CorralError('CORRAL_INTERNAL', String(error), { cause: error });
