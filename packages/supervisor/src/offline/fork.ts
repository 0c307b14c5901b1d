/**
 * Forks: a new run that begins with what another one did up to some entry, and goes its own way from there.
 *
 * A fork is a run of whoever forks: they pass the same intake as with a job of their own, the accounts above it are theirs, and they
 * get no more of budget and ceilings than their tenant may have now. The entries are copied as they are, deliveries word for word, so
 * that the fork replays like its origin; what the agent was told of its own id stays what it was. What stands behind them is new:
 * another run id, and with it other idempotency keys; grants of its own, with what was left at that point of the origin's root grants,
 * without those that people have taken back since; a clock that did not run since. What people approved was approved for the origin.
 * What its origin was waiting for when it parts is not done again by itself, whatever its tool says of itself: whoever forks says what
 * became of it, and a call that they have made again is decided about and paid for as theirs.
 */
import { Ledger } from '@corral/broker/ledger/ledger';
import { unanswered } from '@corral/broker/ledger/requests';
import type { LedgerSnapshot } from '@corral/broker/ledger/snapshot';
import { targetName } from '@corral/policy/capability/grants';
import { CorralError } from '@corral/protocol/errors';
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import type { Identity } from '@corral/protocol/model/identity';
import { newId, type GrantId, type PrincipalId, type RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { atMost } from '@corral/protocol/limits';
import type { AgentManifest } from '@corral/protocol/model/manifest';
import type { Clock, Random } from '@corral/protocol/ports/machine';
import type { Entry, HostEvent, RunRecord } from '@corral/protocol/model/run';
import type { Store, StoredRun } from '@corral/protocol/ports/store';
import { mayRepeat, type Tool } from '@corral/protocol/ports/tool';
import { Absence } from '../runs/downtime.ts';
import { checkInput } from '../admission/admission.ts';
import { commitOf, entryFor, statusOf } from './amend.ts';
import type { Intake } from '../admission/intake.ts';
import { isBelow } from '../governance/judged.ts';
import { FOLD_AT_ONCE } from '../runs/revive.ts';
import { isCrank } from '../runs/segment.ts';
import type { TenantOptions } from '../tenants.ts';

/** Entries of a journal that are read at once. */
const PAGE = 100;

export interface ForkPowers {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly intake: Intake;
  readonly offers: {
    tool(tenant: string, name: string): Tool | undefined;
    /** What a run of a tenant may have at most now. */
    most(tenant: string): TenantOptions['most'];
  };
  /** `offers` knows all that is offered, so that a grant of anything else is refused as it is to a job. */
  readonly whole: boolean;
}

export interface ForkRequest {
  readonly run: RunId;
  /** The entry at which the fork goes its own way; everything before it is kept. */
  readonly at: number;
  readonly by: PrincipalId;
  /** Who stands behind that name, where it does not say all. */
  readonly who?: Identity | undefined;
  /** Chosen beforehand by a caller who counts it before it is there; else a new one. */
  readonly id?: RunId;
  /** Another input; only from the very start. */
  readonly input?: unknown;
}

export interface Forked {
  readonly record: RunRecord;
  /** Calls that were under way where it parts, and of which somebody must say what became of them. */
  readonly unknown: readonly { readonly call: number; readonly tool: string }[];
}

/**
 * Writes a fork down. When this resolves it is durable, and whichever host holds the store may take it up.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_USAGE, CORRAL_FORK_IMPOSSIBLE, CORRAL_INPUT_INVALID, CORRAL_INPUT_TOO_LARGE, CORRAL_CAP_UNKNOWN,
 * and what an intake refuses with
 */
export async function fork(powers: ForkPowers, request: ForkRequest): Promise<Forked> {
  const { store, clock, random, intake } = powers;
  const { run: origin, at, by, who, id = newId('run', random) } = request;
  const stored = await store.run(origin);
  if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${origin}.`);
  mustBePossible(stored, at);
  const prefix = await prefixOf(powers, stored, at);
  if (request.input !== undefined && prefix.length > 0)
    throw new CorralError('CORRAL_USAGE', `Another input needs a fork from the very start (crank 1), not from crank ${at}.`);

  const now = clock.now();
  const { who: _, ...from } = stored.record;
  const grants = new GrantCopies(id, random, now, await store.grants(origin), prefix);
  const draft: RunRecord = {
    ...from,
    ...boundedBy(powers.offers.most(from.tenant), from),
    id,
    principal: by,
    submitter: by,
    ...(who === undefined ? {} : { who }),
    input: request.input === undefined ? from.input : checkInput(request.input),
    caps: from.caps.map((cap) => ({ ...cap, grant: grants.copy(cap.grant) })),
    // Code outside of any delivery sees this time, and must see the same again.
    created_at: prefix.length === 0 ? now : from.created_at,
    origin: { run: origin, at, forked_at: now },
  };

  // Read once as it will be read from now on, to know what is pending where it parts.
  const copies = prefix.map((entry) => rekeyed(entry, grants));
  const ledger = new Ledger(draft);
  await folded(clock, copies, (entry) => ledger.apply(entry));
  refuseChildren(ledger, at);
  if (powers.whole) mustBeOffered(powers, draft, grants.made);

  const events = copies.length === 0 ? [] : await partingOf(powers, ledger, request, copies, now);
  // A host that dies before the last of them leaves a fork that must not go on.
  const record: RunRecord = { ...draft, origin: { run: origin, at, forked_at: now, entries: copies.length + events.length } };
  const { tenant, agent } = record;
  const newcomer = { tenant, agent, version: ledger.version, principal: by, who };
  intake.mustTake(newcomer);
  intake.mustNotRest(newcomer);
  await store.admit(record, grants.made, true);
  intake.took({ id, tenant, version: ledger.version });
  for (const { copy, by: whose, why } of grants.takenBack) await store.revoke(copy, whose, why, now);
  await writeDown(powers, record, copies, ledger, events, now);
  const unknown = [...ledger.pending.values()].flatMap((one) =>
    one.kind === 'call' && one.state === 'unknown' ? [{ call: one.id, tool: one.tool }] : [],
  );
  return { record, unknown };
}

/** What the host does to a fork where it parts, as events of its journal. */
async function partingOf(
  { store, offers }: ForkPowers,
  ledger: Ledger,
  { run: origin, at, by, who }: ForkRequest,
  copies: readonly Entry[],
  now: number,
): Promise<HostEvent[]> {
  const { record, wall } = ledger;
  const last = copies.reduce((latest, entry) => Math.max(latest, entry.at), 0);
  const absence = new Absence();
  absence.learn(await store.eras());
  const waited = wall.paused_at === undefined ? last : Math.min(last, wall.paused_at);
  const away_ms = Math.max(0, now - waited - absence.since(waited, now));
  const person = who === undefined ? {} : { who };
  const events: HostEvent[] = [{ kind: 'forked', from: origin, by, away_ms, asks: 'anew', pays: 'own', ...person }];
  const tell = (await manifestOf(store, ledger))?.on_unknown === 'tell';
  for (const pending of ledger.pending.values()) {
    if (pending.kind === 'request') {
      const message = `${origin} was waiting for a reply when this run was forked from it at crank ${at}; that is its own.`;
      events.push({ kind: 'unanswered', id: pending.id, result: unanswered(pending.id, 'CORRAL_UNKNOWN_RESULT', message) });
    }
    if (pending.kind !== 'call' || pending.state === 'unknown') continue;
    // One that nobody awaits, and that may be repeated, is answered without being made.
    const annotations = offers.tool(record.tenant, pending.tool)?.annotations;
    if (pending.given_up === true && annotations !== undefined && mayRepeat(annotations)) continue;
    // It was allowed, approved and paid for as the origin's call, and nobody has decided about this one: not one goes out by itself.
    const message = `${origin} was waiting for ${pending.tool} when this run was forked from it at crank ${at}.`;
    events.push({ kind: 'unknown', id: pending.id, message, tell });
  }
  return events;
}

/** @param ledger as it stands where the fork parts */
async function writeDown(
  { store, clock }: ForkPowers,
  record: RunRecord,
  copies: readonly Entry[],
  ledger: Ledger,
  events: readonly HostEvent[],
  now: number,
): Promise<void> {
  const { id } = record;
  const copied = new Ledger(record);
  await folded(clock, copies, async (entry) => {
    copied.apply(entry);
    await store.commit(commitOf(id, 1, entry, statusOf(copied, 'none')));
  });
  for (const [i, event] of events.entries()) {
    const entry = entryFor(ledger, event, now);
    ledger.apply(entry);
    const timers = i > 0 ? [] : [...ledger.pending.values()].flatMap((one) => (one.kind === 'timer' ? [{ id: one.id, due: one.due }] : []));
    await store.commit({ ...commitOf(id, 1, entry, statusOf(ledger, 'none')), timers });
  }
}

/** Entry after entry; the host gets a turn between some of them. */
async function folded(clock: Clock, entries: readonly Entry[], take: (entry: Entry) => void | Promise<void>): Promise<void> {
  for (const [i, entry] of entries.entries()) {
    if (i % FOLD_AT_ONCE === FOLD_AT_ONCE - 1) await breathe(clock);
    await take(entry);
  }
}

const breathe = (clock: Clock): Promise<void> => new Promise((resolve) => clock.after(0, resolve));

/** What a run was given, as far as its tenant may have it now. A run that gets less of it says nothing about its agent. */
function boundedBy(most: TenantOptions['most'], { ceilings, budget, narrowed }: RunRecord): Partial<RunRecord> {
  if (most === undefined) return {};
  const bounded = { ceilings: atMost(ceilings, most.ceilings), budget: atMost(budget, most.budget) };
  const isLess = narrowed === true || isBelow(bounded.ceilings, ceilings) || isBelow(bounded.budget, budget);
  return { ...bounded, ...(isLess ? { narrowed: true } : {}) };
}

/** @throws CORRAL_CAP_UNKNOWN as a job of the same agent is refused */
function mustBeOffered({ offers }: ForkPowers, { tenant, agent }: RunRecord, made: readonly Grant[]): void {
  for (const { target, uses } of made)
    if (target.kind === 'tool' && uses !== 0 && offers.tool(tenant, target.tool) === undefined)
      throw new CorralError('CORRAL_CAP_UNKNOWN', `${agent} uses ${targetName(target)}, which this host does not offer to ${tenant}.`);
}

/** @throws CORRAL_USAGE, CORRAL_FORK_IMPOSSIBLE */
function mustBePossible({ record, seq: last }: StoredRun, at: number): void {
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
}

/** The entries before the one at which a fork parts. Page after page, so that a long journal never holds a host up. */
async function prefixOf({ store, clock }: ForkPowers, { record: { id } }: StoredRun, at: number): Promise<readonly Entry[]> {
  const prefix: Entry[] = [];
  while (prefix.length < at - 1) {
    const page = await store.journal(id, prefix.length, Math.min(PAGE, at - 1 - prefix.length));
    prefix.push(...page);
    if (page.length === 0 || prefix.at(-1)?.seq !== prefix.length)
      throw new CorralError(
        'CORRAL_FORK_IMPOSSIBLE',
        `The journal of ${id} is not complete before crank ${at}, so nothing can begin with it.`,
      );
    await breathe(clock);
  }
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
  /** Copies of what people have taken back, with their words. */
  readonly takenBack: { readonly copy: GrantId; readonly by: string; readonly why: string }[] = [];
  readonly #holder: RunId;
  readonly #random: Random;
  readonly #now: number;
  readonly #originals: ReadonlyMap<GrantId, Grant & GrantState>;
  readonly #copies = new Map<GrantId, GrantId>();
  readonly #used: Used;

  constructor(holder: RunId, random: Random, now: number, originals: readonly (Grant & GrantState)[], prefix: readonly Entry[]) {
    this.#holder = holder;
    this.#now = now;
    this.#random = random;
    this.#originals = new Map(originals.map((grant) => [grant.id, grant]));
    this.#used = usedIn(prefix);
  }

  copy(id: GrantId): GrantId {
    const known = this.#copies.get(id);
    if (known !== undefined) return known;
    const original = this.#originals.get(id);
    const copy = newId('grant', this.#random);
    this.#copies.set(id, copy);
    if (original === undefined) return copy;
    // A grant as the store has it comes with what became of it, which is the origin's own.
    const { used: _used, revoked: _revoked, revoked_by, revoked_why, sent_bytes: _bytes, rested_at: _rested, ...terms } = original;
    const { target, holder } = original;
    const root = original.parent === undefined;
    // What ended with its origin comes back; what a person took back does not.
    const isTaken = revoked_by !== undefined;
    if (isTaken) this.takenBack.push({ copy, by: revoked_by, why: revoked_why ?? '' });
    this.made.push({
      ...terms,
      ...this.#left(original),
      id: copy,
      parent: undefined,
      holder: this.#holder,
      target: target.kind === 'mailbox' && target.run === holder && root ? { ...target, run: this.#holder } : target,
      // What hangs on another run's grant, such as the mailbox of a child that has ended, is worth nothing in a fork; a use that the
      // origin has had of it already cannot be had again either.
      ...(root && !isTaken ? {} : { uses: 0 }),
      ...(root ? {} : { expires_at: this.#now }),
      depth: 0,
    });
    return copy;
  }

  /**
   * What was left of a grant where the fork parts. What others did with what they were given of it, the journal does not say; so where
   * the run had given anything away, it is what is left now.
   */
  #left({ id, uses, bytes, used, sent_bytes = 0 }: Grant & GrantState): Pick<Grant, 'uses' | 'bytes'> {
    const own = this.#used.by.get(id) ?? { uses: 0, bytes: 0 };
    const gone = this.#used.gaveAway ? { uses: Math.max(own.uses, used), bytes: Math.max(own.bytes, sent_bytes) } : own;
    return {
      uses: uses === undefined ? undefined : Math.max(0, uses - gone.uses),
      ...(bytes === undefined ? {} : { bytes: Math.max(0, bytes - gone.bytes) }),
    };
  }
}

interface Used {
  readonly by: ReadonlyMap<GrantId, { readonly uses: number; readonly bytes: number }>;
  /** Whether the run had passed capabilities on. */
  readonly gaveAway: boolean;
}

/** How often, and for how many bytes, a run had used its grants by its own decisions. */
function usedIn(prefix: readonly Entry[]): Used {
  const by = new Map<GrantId, { uses: number; bytes: number }>();
  let gaveAway = false;
  for (const { decisions, effects } of prefix) {
    gaveAway ||= effects?.includes('"caps"') === true;
    for (const { verdict, grant, child, reserved } of decisions) {
      if (verdict === 'deny' || grant === undefined || child !== undefined) continue;
      const { uses, bytes } = by.get(grant) ?? { uses: 0, bytes: 0 };
      by.set(grant, { uses: uses + 1, bytes: bytes + (reserved?.bytes ?? 0) });
    }
  }
  return { by, gaveAway };
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
