/**
 * Evaluates today's policies on recorded calls, messages and spawns. The journal of each run is applied to a new ledger, so that each
 * decision is made with the facts that were known then. Nothing is called, and nothing is written.
 */
import { digestOf } from '../admission/admission.ts';
import { Ledger } from '@corral/broker/ledger/ledger';
import { filled, handledOf, slotted } from '@corral/broker/ledger/handles';
import { factsOf, judge } from '@corral/broker/policies/evaluate';
import { deedName, judgeHanded, type Handed } from '@corral/broker/policies/evaluate-delegation';
import type { PolicyRequest } from '@corral/policy/cedar/request';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { Verdict } from '@corral/policy/cedar/verdict';
import type { Decision } from '@corral/protocol/model/decision';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { decisionOn, type CallEffect, type Effect } from '@corral/protocol/wire/effect';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import { dayOf } from '@corral/protocol/model/spend';
import type { Store } from '@corral/protocol/ports/store';
import { asCalled, type Tool } from '@corral/protocol/ports/tool';
import type { Policies } from '@corral/broker/policies/port';
import { UsageHistory } from '../governance/usage-history.ts';

export interface Reevaluated {
  readonly run: RunId;
  /** Entry of the journal. */
  readonly crank: number;
  readonly call: number;
  /** The decision in the journal. */
  readonly recorded: Decision;
  readonly request: PolicyRequest;
  readonly verdict: Verdict;
}

export interface ReevaluationOptions {
  readonly store: Store;
  /** Policies by tenant; runs of tenants without policies are left out. */
  readonly policies: (
    tenant: string,
  ) => { readonly current: PolicyInForce; readonly roles?: Policies['roles']; readonly owner?: Policies['owner'] } | undefined;
  readonly tool: (tenant: string, name: string) => Tool | undefined;
  /** Evaluates only this run, with no history of others. */
  readonly run?: RunId;
  /** Called for each run that cannot be read, and for each call whose tool is no longer offered. */
  readonly skipped: (what: string) => void;
}

const PAGE = 200;
const UNREADABLE = new Set(['CORRAL_JOURNAL_DAMAGED', 'CORRAL_RUN_ERASED', 'CORRAL_JOURNAL_PRUNED']);

/**
 * Evaluates runs one after the other, in the order of their admission, which is also the order in which their history grows.
 * @throws CORRAL_RUN_UNKNOWN
 */
export async function* reevaluatePolicies(options: ReevaluationOptions): AsyncGenerator<Reevaluated> {
  const { store, run: only } = options;
  const past = { history: new UsageHistory(), days: new Map<string, number>() };
  for (let after: RunId | undefined; ;) {
    const page =
      only === undefined ? await store.runs({ limit: PAGE, ...(after === undefined ? {} : { after }) }) : [await store.run(only)];
    for (const stored of page) {
      if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${only ?? ''} in this data folder.`);
      try {
        yield* reevaluateRun(options, stored.record, past);
      } catch (error) {
        if (!(error instanceof CorralError) || !UNREADABLE.has(error.code)) throw error;
        options.skipped(`${stored.record.id}: ${error.message}`);
      }
    }
    after = page.at(-1)?.record.id;
    if (after === undefined || only !== undefined) return;
  }
}

/** The deeds of the runs before this one. */
interface Past {
  readonly history: UsageHistory;
  /** Money by agent and day, in millionths. It goes by what was reserved: later bills are not followed. */
  readonly days: Map<string, number>;
}

async function* reevaluateRun(options: ReevaluationOptions, record: RunRecord, past: Past): AsyncGenerator<Reevaluated> {
  const { store, policies, tool } = options;
  const tenant = policies(record.tenant);
  if (tenant === undefined) return;
  const run = new RunReevaluation(options, record, past, tenant);
  const { ledger } = run;
  for (let after = 0; ;) {
    const entries = await store.journal(record.id, after, PAGE);
    for (const entry of entries) {
      for (const { effect, decision } of begin(ledger, entry)) {
        const one =
          effect.kind === 'call'
            ? run.call(entry, effect, decision)
            : effect.kind === 'send' || effect.kind === 'spawn'
              ? run.handed(entry, effect, decision)
              : undefined;
        if (one !== undefined) yield one;
        ledger.applyEffect(effect, withFacts(effect, decision, tool, record.tenant));
      }
      const inspected = run.inspected(entry);
      if (inspected !== undefined) yield inspected;
      finish(ledger, entry);
      run.approved(entry);
    }
    if (entries.length < PAGE) return;
    after = entries.at(-1)?.seq ?? after;
  }
}

type Tenant = NonNullable<ReturnType<ReevaluationOptions['policies']>>;

/** The evaluation of one run; the caller applies its entries to the ledger. */
class RunReevaluation {
  readonly ledger: Ledger;
  readonly #options: ReevaluationOptions;
  readonly #past: Past;
  readonly #tenant: Tenant;
  /** Calls that wait for people. */
  readonly #waiting = new Map<number, { readonly tool: Tool; readonly input: Json }>();

  constructor(options: ReevaluationOptions, record: RunRecord, past: Past, tenant: Tenant) {
    this.ledger = new Ledger(record, true);
    this.#options = options;
    this.#past = past;
    this.#tenant = tenant;
  }

  call(entry: Entry, effect: CallEffect, decision: Decision | undefined): Reevaluated | undefined {
    // One that waits for inspectors is evaluated where they have answered.
    if (decision?.tool === undefined || decision.verdict === 'inspect') return undefined;
    if (decision.verdict === 'deny' && decision.policy === undefined) return undefined;
    const { ledger } = this;
    const { record } = ledger;
    const { history, days } = this.#past;
    const offered = this.#options.tool(record.tenant, decision.tool);
    const slots = slotted(ledger.handles, effect, ['input']);
    const given = slots.length === 0 ? ((effect.input ?? {}) as Json) : filled(effect.input as Json, slots);
    const parsed = offered?.input.check(given);
    if (offered === undefined || parsed?.ok !== true) {
      this.#options.skipped(`${record.id} call ${effect.id}: ${decision.tool} is not offered, or takes other arguments now`);
      return undefined;
    }
    const input = parsed.value as Json;
    const day = `${record.tenant} ${record.agent} ${dayOf(entry.at)}`;
    const accounts = { today: () => days.get(day) ?? 0 };
    const asked = ask(this.#tenant.current, (current) =>
      judge(
        this.#by(current),
        ledger,
        offered,
        input,
        Buffer.byteLength(JSON.stringify(input)),
        { now: entry.at, accounts, inspected: decision.inspected ?? {}, id: effect.id },
        undefined,
        slots.length === 0 ? undefined : { slots: handledOf(slots), given },
      ),
    );
    const money = decision.reserved?.money_micros ?? 0;
    if (decision.verdict !== 'deny' && money > 0) days.set(day, (days.get(day) ?? 0) + money);
    if (decision.verdict === 'allow') history.note(record, ledger.version, offered, input);
    else if (decision.verdict === 'ask') this.#waiting.set(effect.id, { tool: offered, input });
    return this.#toldOf(asked, decision, entry, effect.id);
  }

  /** A message or a child run. */
  handed(entry: Entry, effect: Extract<Effect, { kind: 'send' | 'spawn' }>, decision: Decision | undefined): Reevaluated | undefined {
    if (decision?.agent === undefined) return undefined;
    const { ledger } = this;
    const handed = handedOf(effect, decision);
    const asked = ask(this.#tenant.current, (current) =>
      judgeHanded(this.#by(current), ledger, handed, entry.at, decision.inspected ?? {}),
    );
    if (decision.verdict === 'allow') this.#past.history.met(ledger.record.tenant, ledger.version, deedName(handed));
    return this.#toldOf(asked, decision, entry, effect.id);
  }

  /** A call that waited for inspectors, once they have answered. */
  inspected(entry: Entry): Reevaluated | undefined {
    const { event } = entry;
    if (event?.kind !== 'inspected') return undefined;
    const held = this.ledger.pending.get(event.id);
    return held?.kind === 'inspection' ? this.call(entry, held.effect, event.decision) : undefined;
  }

  /** A call that people have approved counts as made. */
  approved({ event }: Entry): void {
    const made = event?.kind === 'approval' && event.verdict === 'approve' ? this.#waiting.get(event.id) : undefined;
    if (made !== undefined) this.#past.history.note(this.ledger.record, this.ledger.version, made.tool, made.input);
  }

  #by<P>(current: P) {
    const { roles = () => [], owner } = this.#tenant;
    return { current, history: this.#past.history, roles, owner };
  }

  /**
   * The evaluation, if there is something to compare: not for entries that a fork has from its origin, and not where the policies of now
   * need an inspector that nobody asked then.
   */
  #toldOf(asked: Asked | undefined, decision: Decision, { seq }: Entry, id: number): Reevaluated | undefined {
    const { record } = this.ledger;
    if (asked === undefined || seq <= (record.origin?.at ?? 0)) return undefined;
    const { request, verdict } = asked;
    const said = decision.inspected ?? {};
    const unasked = this.#tenant.current.inspects(request.subject, request.action).filter((name) => !Object.hasOwn(said, name));
    if (unasked.length === 0 || verdict.errors.length === 0)
      return { run: record.id, crank: seq, call: id, recorded: decision, request, verdict };
    this.#options.skipped(`${record.id} effect ${id}: nobody had asked ${unasked.join(', ')} about it`);
    return undefined;
  }
}

/** First half of applying an entry: begins its crank. @returns its effects, which the caller applies one after the other */
function begin(
  ledger: Ledger,
  { delivery, effects, decisions, cpu_us, inbox }: Entry,
): { effect: Effect; decision: Decision | undefined }[] {
  if (delivery === undefined || effects === undefined) return [];
  ledger.beginCrank(JSON.parse(delivery) as Delivery, Buffer.byteLength(delivery), cpu_us, inbox);
  const byId = new Map(decisions.map((decision) => [decision.id, decision]));
  return (JSON.parse(effects) as Effect[]).map((effect) => ({
    effect,
    decision: decisionOn(effect, byId),
  }));
}

/** Decisions that were made without tracking information flow have no facts about their tool; these are taken from the present tool. */
function withFacts(
  effect: Effect,
  decision: Decision | undefined,
  tool: ReevaluationOptions['tool'],
  tenant: string,
): Decision | undefined {
  if (decision?.tool === undefined || decision.tool_facts !== undefined) return decision;
  const offered = tool(tenant, decision.tool);
  if (offered === undefined || effect.kind !== 'call') return decision;
  const input = (effect.input ?? {}) as Json;
  return { ...decision, tool_facts: factsOf(asCalled(offered, input), input) };
}

/** Second half of applying an entry. */
function finish(ledger: Ledger, entry: Entry): void {
  const { seq, delivery, effects, cpu_us } = entry;
  if (delivery !== undefined && effects !== undefined) ledger.endCrank(seq, delivery.length + effects.length, cpu_us, entry.decide_us);
  ledger.seal(entry);
}

/** The facts about a message or a spawn that policies may know. */
function handedOf(effect: Extract<Effect, { kind: 'send' | 'spawn' }>, { agent = '', gives = [], reserved = {} }: Decision): Handed {
  const value = ((effect.kind === 'send' ? effect.body : effect.input) ?? null) as Json;
  const budget = { ...reserved, children: Math.max(0, (reserved.children ?? 0) - 1) };
  const { source } = (effect.kind === 'spawn' ? effect.program : undefined) ?? {};
  const program = source === undefined ? {} : { program: { source, digest: digestOf(source) } };
  return { kind: effect.kind, agent, value, bytes: Buffer.byteLength(JSON.stringify(value)), gives, budget, ...program };
}

interface Asked {
  readonly request: PolicyRequest;
  readonly verdict: Verdict;
}

/** Evaluates one request, and returns it with its verdict; undefined if the policies were not asked. */
function ask(policy: PolicyInForce, put: (listening: Pick<PolicyInForce, 'decide'> & PolicyInForce) => unknown) {
  let heard: Asked | undefined;
  const decide = (request: PolicyRequest): Verdict => {
    const verdict = policy.decide(request);
    heard = { request, verdict };
    return verdict;
  };
  const decideBy: PolicyInForce['decideBy'] = (subject, action, gather) => decide({ ...gather(), subject, action });
  const inspects: PolicyInForce['inspects'] = (...of) => policy.inspects(...of);
  const own: Readonly<Record<string | symbol, unknown>> = { decide, decideBy, inspects };
  const listening = new Proxy(policy, { get: (target, name) => own[name] ?? Reflect.get(target, name, target) });
  put(listening);
  return heard;
}
