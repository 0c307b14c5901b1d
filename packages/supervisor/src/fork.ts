/**
 * Forks: a new run that begins with what another one did up to some entry, and goes its own way from there.
 *
 * The entries are copied as they are, deliveries word for word, so that the fork replays like its origin; what the agent was
 * told of its own id stays what it was. What stands behind them is new: another run id, and with it other idempotency keys;
 * grants of its own, with the same targets and limits as the origin's root grants and never wider; a clock that did not run
 * since. What its origin was waiting for when it parts is not done again by itself unless it only reads: whoever forks says
 * what became of it.
 */
import { Ledger } from '@corral/broker/ledger';
import { unanswered } from '@corral/broker/requests';
import type { LedgerSnapshot } from '@corral/broker/snapshot';
import { CorralError } from '@corral/protocol/errors';
import type { Grant, GrantState } from '@corral/protocol/grant';
import { newId, type GrantId, type PrincipalId, type RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { AgentManifest } from '@corral/protocol/manifest';
import type { Clock, Random } from '@corral/protocol/ports';
import type { Entry, HostEvent, RunRecord } from '@corral/protocol/run';
import type { Store, StoredRun } from '@corral/protocol/store';
import type { Tool } from '@corral/protocol/tool';
import { Absence } from './absence.ts';
import { checkInput } from './admission.ts';
import { commitOf, statusOf } from './amend.ts';
import { fold } from './runs/revive.ts';
import { isCrank } from './runs/segment.ts';

export interface ForkPowers {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly tool: (tenant: string, name: string) => Tool | undefined;
}

export interface ForkRequest {
  readonly run: RunId;
  /** The entry at which the fork goes its own way; everything before it is kept. */
  readonly at: number;
  readonly by: PrincipalId;
  /** Another input; only from the very start. */
  readonly input?: unknown;
}

/**
 * Writes a fork down. When this resolves it is durable, and whichever host holds the store may take it up.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_USAGE, CORRAL_FORK_IMPOSSIBLE, CORRAL_INPUT_INVALID, CORRAL_INPUT_TOO_LARGE
 */
export async function fork(powers: ForkPowers, request: ForkRequest): Promise<RunId> {
  const { store, clock, random } = powers;
  const { run: origin, at, by } = request;
  const [stored, entries] = await Promise.all([store.run(origin), store.journal(origin)]);
  if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${origin}.`);
  const prefix = prefixOf(stored, entries, at);
  if (request.input !== undefined && prefix.length > 0)
    throw new CorralError('CORRAL_USAGE', `Another input needs a fork from the very start (crank 1), not from crank ${at}.`);

  const id = newId('run', random);
  const now = clock.now();
  const { record: from } = stored;
  const grants = new GrantCopies(id, random, await store.grants(origin));
  const record: RunRecord = {
    ...from,
    id,
    principal: by,
    submitter: by,
    input: request.input === undefined ? from.input : checkInput(request.input),
    caps: from.caps.map((cap) => ({ ...cap, grant: grants.copy(cap.grant) })),
    // Code outside of any delivery sees this time, and must see the same again.
    created_at: prefix.length === 0 ? now : from.created_at,
    origin: { run: origin, at, forked_at: now },
  };

  // Read once as it will be read from now on, to know what is pending where it parts.
  const copies = prefix.map((entry) => rekeyed(entry, grants));
  const ledger = new Ledger(record);
  for (const entry of copies) fold(ledger, entry);
  refuseChildren(ledger, at);

  const events: HostEvent[] = [];
  if (copies.length > 0) {
    const last = Math.max(...copies.map((entry) => entry.at));
    const absence = new Absence();
    absence.learn(await store.eras());
    const { paused_at } = ledger.wall;
    const waited = paused_at === undefined ? last : Math.min(last, paused_at);
    events.push({ kind: 'forked', from: origin, by, away_ms: Math.max(0, now - waited - absence.since(waited, now)) });
    const tell = (await manifestOf(store, ledger))?.on_unknown === 'tell';
    for (const pending of ledger.pending.values()) {
      if (pending.kind === 'request') {
        const message = `${origin} was waiting for a reply when this run was forked from it at crank ${at}; that is its own.`;
        events.push({ kind: 'unanswered', id: pending.id, result: unanswered(pending.id, 'CORRAL_UNKNOWN_RESULT', message) });
      }
      if (pending.kind !== 'call' || pending.state === 'unknown') continue;
      // An idempotency key covers the origin's call and not this one's, so only what changes nothing goes out by itself.
      const annotations = powers.tool(record.tenant, pending.tool)?.annotations;
      if (annotations?.readOnly === true || annotations?.repeatable === true) continue;
      const message = `${origin} was waiting for ${pending.tool} when this run was forked from it at crank ${at}.`;
      events.push({ kind: 'unknown', id: pending.id, message, tell });
    }
  }

  await store.admit(record, grants.made, true);
  const copied = new Ledger(record);
  for (const entry of copies) {
    fold(copied, entry);
    await store.commit(commitOf(id, 1, entry, statusOf(copied, 'none')));
  }
  for (const [i, event] of events.entries()) {
    ledger.applyEvent(event, now);
    ledger.stamp(now, 0);
    ledger.seq += 1;
    const entry: Entry = { seq: ledger.seq, at: now, delivery: undefined, effects: undefined, decisions: [], event, cpu_us: 0 };
    const timers = i > 0 ? [] : [...ledger.pending.values()].flatMap((one) => (one.kind === 'timer' ? [{ id: one.id, due: one.due }] : []));
    await store.commit({ ...commitOf(id, 1, entry, statusOf(ledger, 'none')), timers });
  }
  return id;
}

function prefixOf({ record, seq: last }: StoredRun, entries: readonly Entry[], at: number): readonly Entry[] {
  const { id, parent } = record;
  if (!Number.isSafeInteger(at) || at < 1 || at > last + 1)
    throw new CorralError('CORRAL_USAGE', `${id} can be forked at cranks 1 to ${last + 1}, not at ${at}.`);
  if (record.service !== undefined)
    throw new CorralError('CORRAL_FORK_IMPOSSIBLE', `${id} is an instance of ${record.agent}, and there is one for each key.`);
  if (parent !== undefined)
    throw new CorralError(
      'CORRAL_FORK_IMPOSSIBLE',
      `${id} was spawned by ${parent.run}, whose capabilities and budget it lives on; fork that one instead.`,
    );
  const prefix = entries.filter(({ seq }) => seq < at);
  if (prefix.length !== at - 1)
    throw new CorralError(
      'CORRAL_FORK_IMPOSSIBLE',
      `The journal of ${id} is not complete before crank ${at}, so nothing can begin with it.`,
    );
  const end = prefix.find((entry) => entry.event?.kind === 'ended' || finishes(entry));
  if (end !== undefined)
    throw new CorralError('CORRAL_FORK_IMPOSSIBLE', `${id} ended with crank ${end.seq}; crank ${end.seq} is the last it can be forked at.`);
  return prefix;
}

function finishes(entry: Entry): boolean {
  if (!isCrank(entry) || !entry.effects.includes('"finish"')) return false;
  return (JSON.parse(entry.effects) as { kind?: string }[]).some(({ kind }) => kind === 'finish');
}

/** A child belongs to the run that spawned it: a fork has none, so it may only begin with those that are over. */
function refuseChildren(ledger: Ledger, at: number): void {
  const children = [...ledger.pending.values()].flatMap((one) => (one.kind === 'child' ? [one.run] : []));
  if (children.length === 0) return;
  throw new CorralError(
    'CORRAL_FORK_IMPOSSIBLE',
    `At crank ${at} the run still waits for ${children.length === 1 ? 'a child' : 'children'} (${children.join(', ')}), which cannot be forked with it. Fork it before the spawn, or after the end.`,
  );
}

async function manifestOf(store: Store, ledger: Ledger): Promise<AgentManifest | undefined> {
  return (await store.version(ledger.version))?.manifest;
}

/** Gives a fork grants of its own. */
class GrantCopies {
  readonly made: Grant[] = [];
  readonly #holder: RunId;
  readonly #random: Random;
  readonly #originals: ReadonlyMap<GrantId, Grant>;
  readonly #copies = new Map<GrantId, GrantId>();

  constructor(holder: RunId, random: Random, originals: readonly Grant[]) {
    this.#holder = holder;
    this.#random = random;
    this.#originals = new Map(originals.map((grant) => [grant.id, grant]));
  }

  copy(id: GrantId): GrantId {
    const known = this.#copies.get(id);
    if (known !== undefined) return known;
    const original = this.#originals.get(id);
    const copy = newId('grant', this.#random);
    this.#copies.set(id, copy);
    if (original === undefined) return copy;
    // A grant as the store has it comes with what became of it, which is the origin's own.
    const { used: _used, revoked: _revoked, sent_bytes: _bytes, rested_at: _rested, ...terms } = original as Grant & GrantState;
    const { target, holder } = original;
    const root = original.parent === undefined;
    this.made.push({
      ...terms,
      id: copy,
      parent: undefined,
      holder: this.#holder,
      target: target.kind === 'mailbox' && target.run === holder && root ? { ...target, run: this.#holder } : target,
      // What hangs on another run's grant, such as the mailbox of a child that has ended, is worth nothing in a fork.
      uses: root ? original.uses : 0,
      depth: 0,
    });
    return copy;
  }
}

/** An entry as the fork has it: the same cranks, its own grants. */
function rekeyed(entry: Entry, grants: GrantCopies): Entry {
  const decisions = entry.decisions.map((decision) =>
    decision.grant === undefined ? decision : { ...decision, grant: grants.copy(decision.grant) },
  );
  if (entry.event?.kind !== 'checkpoint') return { ...entry, decisions };
  const snapshot = entry.event.ledger as unknown as LedgerSnapshot;
  const caps = snapshot.caps.map(([cap, grant]) => [cap, grants.copy(grant)] as const);
  return { ...entry, decisions, event: { ...entry.event, ledger: { ...snapshot, caps } as unknown as Json } };
}
