/**
 * Forks: a new run that begins with a copy of another run's journal up to some entry, and continues on its own from there.
 *
 * A fork belongs to the person who forks. It passes the same intake as a job of that person, is charged to that person's accounts, and gets
 * at most the budget and ceilings that the tenant may have now. The entries are copied unchanged, with the deliveries word for word, so
 * that the fork replays like its origin; the run id that the agent was told remains that of the origin.
 *
 * New are the run id, and with it the idempotency keys; the grants, with the uses and bytes that were left of the origin's root grants at
 * that point, without those that people have revoked since; and the clock, which did not run in between. Approvals hold only for the
 * origin. Calls that the origin was waiting for at that point are not made again automatically, even if the tool is idempotent: the person
 * who forks says what became of each, and a call that is made again is decided and paid for as a call of the fork.
 */
import { needsInput } from '@corral/broker/ledger/pending';
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
import { annotationsOf, mayRepeat, type Tool } from '@corral/protocol/ports/tool';
import { Downtimes } from '../runs/downtime.ts';
import { checkInput } from '../admission/admission.ts';
import { commitOf, entryFor, statusOf } from './amend.ts';
import type { Intake } from '../admission/intake.ts';
import { isBelow } from '../governance/judged.ts';
import { FOLD_AT_ONCE } from '../runs/revive.ts';
import { isCrank } from '../runs/segment.ts';
import type { TenantOptions } from '../tenants.ts';

/** Entries of a journal that are read at once. */
const PAGE = 100;

export interface ForkDeps {
  readonly store: Store;
  /** The node that stores the fork and holds it until a host takes it up. */
  readonly node: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly intake: Intake;
  readonly offers: {
    tool(tenant: string, name: string): Tool | undefined;
    /** Maximum ceilings and budget of a tenant's run at present. */
    most(tenant: string): TenantOptions['most'];
  };
  /** Whether `offers` knows everything that is offered. If so, a fork with a grant of anything else is refused, as a job would be. */
  readonly whole: boolean;
}

export interface ForkRequest {
  readonly run: RunId;
  /** The entry at which the fork departs; all entries before it are kept. */
  readonly at: number;
  readonly by: PrincipalId;
  /** The person or token behind `by`, if more is known than the name. */
  readonly who?: Identity | undefined;
  /** Chosen by a caller that counts the run before it exists. Default: a new id. */
  readonly id?: RunId;
  /** Another input; possible only for a fork at the first entry. */
  readonly input?: unknown;
}

export interface Forked {
  readonly record: RunRecord;
  /** Calls that were under way where the fork departs. A person must say what became of each. */
  readonly unknown: readonly { readonly call: number; readonly tool: string }[];
}

/**
 * Stores a fork. When this resolves, the fork is durable, and the host that holds the store can take it up.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_USAGE, CORRAL_FORK_IMPOSSIBLE, CORRAL_INPUT_INVALID, CORRAL_INPUT_TOO_LARGE, CORRAL_CAP_UNKNOWN, and
 * the errors of `Intake`
 */
export async function fork(deps: ForkDeps, request: ForkRequest): Promise<Forked> {
  const { store, node, clock, random, intake } = deps;
  const { run: origin, at, by, who, id = newId('run', random) } = request;
  const stored = await store.run(origin);
  if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${origin}.`);
  mustBePossible(stored, at);
  const prefix = await prefixOf(deps, stored, at);
  if (request.input !== undefined && prefix.length > 0)
    throw new CorralError('CORRAL_USAGE', `Another input needs a fork from the very start (crank 1), not from crank ${at}.`);

  const now = clock.now();
  const { who: _, trace: _caller, ...from } = stored.record;
  const grants = new GrantCopies(id, random, now, await store.grants(origin), prefix);
  const draft: RunRecord = {
    ...from,
    ...boundedBy(deps.offers.most(from.tenant), from),
    id,
    principal: by,
    submitter: by,
    ...(who === undefined ? {} : { who }),
    input: request.input === undefined ? from.input : checkInput(request.input),
    caps: from.caps.map((cap) => ({ ...cap, grant: grants.copy(cap.grant) })),
    // Code of the bundle that runs before the first delivery sees this time, and must see the same time on replay.
    created_at: prefix.length === 0 ? now : from.created_at,
    origin: { run: origin, at, forked_at: now },
  };

  // Applies the copies as a later reader will, to find out what is pending where the fork departs.
  const copies = prefix.map((entry) => rekeyed(entry, grants));
  const ledger = new Ledger(draft);
  await folded(clock, copies, (entry) => ledger.apply(entry));
  refuseChildren(ledger, at);
  if (deps.whole) mustBeOffered(deps, draft, grants.made);

  const events = copies.length === 0 ? [] : await partingOf(deps, ledger, request, copies, now);
  // A host that dies before it has written all entries leaves an incomplete fork, which must not go on; the number shows it.
  const record: RunRecord = { ...draft, origin: { run: origin, at, forked_at: now, entries: copies.length + events.length } };
  const { tenant, agent } = record;
  const newcomer = { tenant, agent, version: ledger.version, principal: by, who };
  intake.mustTake(newcomer);
  await intake.writeDown({ id, tenant, version: ledger.version }, () => store.admit(record, grants.made, node));
  for (const { copy, by: whose, why } of grants.takenBack) await store.revoke(copy, whose, why, now);
  await writeDown(deps, record, copies, ledger, events, now);
  const unknown = [...ledger.pending.values()].flatMap((one) =>
    one.kind === 'call' && one.state === 'unknown' ? [{ call: one.id, tool: one.tool }] : [],
  );
  return { record, unknown };
}

/** Host events at the entry where a fork departs: the fork itself, and the end of the origin's calls and requests. */
async function partingOf(
  { store, offers }: ForkDeps,
  ledger: Ledger,
  { run: origin, at, by, who }: ForkRequest,
  copies: readonly Entry[],
  now: number,
): Promise<HostEvent[]> {
  const { record, wall } = ledger;
  const last = copies.reduce((latest, entry) => Math.max(latest, entry.at), 0);
  const downtimes = new Downtimes();
  downtimes.learn(await store.downtimes());
  const waited = wall.paused_at === undefined ? last : Math.min(last, wall.paused_at);
  const away_ms = Math.max(0, now - waited - downtimes.between(waited, now));
  const person = who === undefined ? {} : { who };
  const events: HostEvent[] = [{ kind: 'forked', from: origin, by, away_ms, asks: 'anew', pays: 'own', ...person }];
  const tell = (await manifestOf(store, ledger))?.on_unknown === 'tell';
  for (const pending of ledger.pending.values()) {
    if (pending.kind === 'request') {
      const message = `${origin} was waiting for a reply when this run was forked from it at crank ${at}. The reply goes to ${origin} alone.`;
      events.push({ kind: 'unanswered', id: pending.id, result: unanswered(pending.id, 'CORRAL_UNKNOWN_RESULT', message) });
    }
    if (needsInput(pending)) {
      const message = `${pending.call.tool} had asked ${origin} for input when this run was forked from it at crank ${at}. The answer goes to ${origin} alone.`;
      events.push({ kind: 'unknown', id: pending.id, message, tell });
    }
    if (pending.kind !== 'call' || pending.state === 'unknown') continue;
    // A call that the agent has given up and that may be repeated is answered without being made.
    const annotations = annotationsOf(offers.tool(record.tenant, pending.tool), pending.input);
    if (pending.given_up === true && annotations !== undefined && mayRepeat(annotations)) continue;
    // The call was allowed, approved and paid for as a call of the origin. For the fork it was not, so it must not be made automatically.
    const message = `${origin} was waiting for ${pending.tool} when this run was forked from it at crank ${at}.`;
    events.push({ kind: 'unknown', id: pending.id, message, tell });
  }
  return events;
}

/** @param ledger state of the run where the fork departs */
async function writeDown(
  { store, clock }: ForkDeps,
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

/** Applies entries one after the other; now and then the host's other work gets a turn. */
async function folded(clock: Clock, entries: readonly Entry[], take: (entry: Entry) => void | Promise<void>): Promise<void> {
  for (const [i, entry] of entries.entries()) {
    if (i % FOLD_AT_ONCE === FOLD_AT_ONCE - 1) await breathe(clock);
    await take(entry);
  }
}

const breathe = (clock: Clock): Promise<void> => new Promise((resolve) => clock.after(0, resolve));

/** Ceilings and budget of a run, cut to the tenant's maximum. A run that gets less than its origin counts as narrowed, see judged.ts. */
function boundedBy(most: TenantOptions['most'], { ceilings, budget, narrowed }: RunRecord): Partial<RunRecord> {
  if (most === undefined) return {};
  const bounded = { ceilings: atMost(ceilings, most.ceilings), budget: atMost(budget, most.budget) };
  const isLess = narrowed === true || isBelow(bounded.ceilings, ceilings) || isBelow(bounded.budget, budget);
  return { ...bounded, ...(isLess ? { narrowed: true } : {}) };
}

/** @throws CORRAL_CAP_UNKNOWN if a granted tool is not offered, as for a job of the same agent */
function mustBeOffered({ offers }: ForkDeps, { tenant, agent }: RunRecord, made: readonly Grant[]): void {
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

/** The entries before the one at which a fork departs. They are read in pages, so that a long journal does not block the host. */
async function prefixOf({ store, clock }: ForkDeps, { record: { id } }: StoredRun, at: number): Promise<readonly Entry[]> {
  const prefix: Entry[] = [];
  while (prefix.length < at - 1) {
    const page = await store.journal(id, prefix.length, Math.min(PAGE, at - 1 - prefix.length));
    prefix.push(...page);
    if (page.length === 0 || prefix.at(-1)?.seq !== prefix.length)
      throw new CorralError(
        'CORRAL_FORK_IMPOSSIBLE',
        `The journal of ${id} is not complete before crank ${at}, so a fork cannot begin with it.`,
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

/** Refuses a fork while children run: a child belongs to the run that spawned it, so the fork could not have it. */
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

/** Makes the grants of a fork from those of its origin. */
class GrantCopies {
  readonly made: Grant[] = [];
  /** Copies of grants that people have revoked, with their reasons. */
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

  /** @returns id of the copy of a grant; each grant is copied once */
  copy(id: GrantId): GrantId {
    const known = this.#copies.get(id);
    if (known !== undefined) return known;
    const original = this.#originals.get(id);
    const copy = newId('grant', this.#random);
    this.#copies.set(id, copy);
    if (original === undefined) return copy;
    // The stored grant includes its state (uses, revocation), which belongs to the origin.
    const { used: _used, revoked: _revoked, revoked_by, revoked_why, sent_bytes: _bytes, rested_at: _rested, ...terms } = original;
    const { target, holder } = original;
    const root = original.parent === undefined;
    // A grant that ended with its origin is valid in the fork; one that a person revoked is not.
    const isTaken = revoked_by !== undefined;
    if (isTaken) this.takenBack.push({ copy, by: revoked_by, why: revoked_why ?? '' });
    this.made.push({
      ...terms,
      ...this.#left(original),
      id: copy,
      parent: undefined,
      holder: this.#holder,
      target: target.kind === 'mailbox' && target.run === holder && root ? { ...target, run: this.#holder } : target,
      // A grant that was derived from another run's grant, such as the mailbox of a child that has ended, cannot be used in a fork.
      ...(root && !isTaken ? {} : { uses: 0 }),
      ...(root ? {} : { expires_at: this.#now }),
      depth: 0,
    });
    return copy;
  }

  /**
   * Uses and bytes that were left of a grant where the fork departs. The journal does not tell how other runs have used capabilities that
   * the run passed on. So if it had passed any on, all present uses count.
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
  /** Whether the run had passed capabilities on by then. */
  readonly gaveAway: boolean;
}

/** Uses and bytes of a run's grants by its own effects. */
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

/** Copy of an entry in which the origin's grants are replaced by the fork's. */
function rekeyed(entry: Entry, grants: GrantCopies): Entry {
  const decisions = entry.decisions.map((decision) =>
    decision.grant === undefined ? decision : { ...decision, grant: grants.copy(decision.grant) },
  );
  if (entry.event?.kind !== 'checkpoint') return { ...entry, decisions };
  const snapshot = entry.event.ledger as unknown as LedgerSnapshot;
  const caps = snapshot.caps.map(([cap, grant]) => [cap, grants.copy(grant)] as const);
  return { ...entry, decisions, event: { ...entry.event, ledger: { ...snapshot, caps } as unknown as Json } };
}
