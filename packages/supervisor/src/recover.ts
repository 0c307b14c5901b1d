/**
 * Takes up the runs that a store holds: each lease is claimed anew, the journal is folded into a ledger, and what was under
 * way is set going again. Nothing that was decided is decided again (DESIGN 1.6).
 */
import type { Broker } from '@corral/broker/broker';
import type { Grants } from '@corral/policy/grants';
import type { Delivery } from '@corral/protocol/delivery';
import type { Effect } from '@corral/protocol/effect';
import type { Digest } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/manifest';
import type { Clock } from '@corral/protocol/ports';
import type { Entry } from '@corral/protocol/run';
import type { Store, StoredRun } from '@corral/protocol/store';
import type { Ledger } from '@corral/broker/ledger';
import { Run } from './runs/run.ts';

export interface RecoverOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly broker: Broker;
  readonly grants: Grants;
  readonly load: (bundle: Digest) => Promise<{ readonly source: string; readonly agents: ReadonlyMap<string, AgentVersion> }>;
  readonly adopt: (run: Run) => void;
  readonly timer: (run: Run, id: number, due: number) => void;
  /** Sets going what a recovered run waits for. */
  readonly proceed: (run: Run) => void;
}

/** @returns how many runs were taken up */
export async function recover(options: RecoverOptions): Promise<number> {
  const { store, adopt, proceed } = options;
  const recovered: Run[] = [];
  for (const { record } of await store.runs({ ended: false })) {
    const claimed = await store.claim(record.id);
    if (claimed === undefined) continue;
    const run = await revive(options, claimed);
    adopt(run);
    recovered.push(run);
  }
  for (const run of recovered) proceed(run);
  return recovered.length;
}

async function revive({ store, grants, load, timer }: RecoverOptions, stored: StoredRun): Promise<Run> {
  const { record, epoch } = stored;
  const bundle = await load(record.bundle);
  const version = bundle.agents.get(record.agent) as AgentVersion;
  const run = new Run(record, version.manifest, bundle.source, epoch);
  for (const { used, revoked, ...grant } of await store.grants(record.id)) grants.add(grant, { used, revoked });
  for (const entry of await store.journal(record.id)) {
    fold(run.ledger, entry);
    run.lastAt = Math.max(run.lastAt, entry.at);
    if (entry.event?.kind === 'control') run.control = entry.event.control;
  }
  for (const { seq, delivery } of await store.inbox(record.id)) run.queue.push({ delivery, inbox: seq });
  for (const pending of run.ledger.pending.values()) {
    if (pending.kind === 'timer') timer(run, pending.id, pending.due);
    if (pending.kind === 'decided') run.queue.push({ delivery: pending.delivery, inbox: undefined });
  }
  return run;
}

/** One entry of a journal, as the ledger lived through it. */
export function fold(ledger: Ledger, entry: Entry): void {
  const { delivery, effects, decisions, event, cpu_us, seq } = entry;
  if (delivery !== undefined && effects !== undefined) {
    ledger.applyDelivery(JSON.parse(delivery) as Delivery, Buffer.byteLength(delivery));
    ledger.purse.spend('cpu_ms', cpu_us / 1000);
    const byId = new Map(decisions.map((decision) => [decision.id, decision]));
    for (const effect of JSON.parse(effects) as Effect[])
      ledger.applyEffect(effect, 'id' in effect && effect.kind !== 'abort' ? byId.get(effect.id) : undefined);
    ledger.journalBytes += delivery.length + effects.length;
  }
  if (event !== undefined) ledger.applyEvent(event);
  ledger.seq = seq;
}
