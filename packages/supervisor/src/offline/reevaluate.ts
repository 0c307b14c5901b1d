/**
 * Evaluates today's policies on recorded calls, messages and spawns. The journal of each run is applied to a new ledger, so that each
 * decision is made with the facts that were known then. Nothing is called, and nothing is written.
 */
import { Ledger } from '@corral/broker/ledger/ledger';
import { filled, handledOf, slotted } from '@corral/broker/ledger/handles';
import { factsOf, judge } from '@corral/broker/policies/evaluate';
import { deedName, judgeHanded, type Handed } from '@corral/broker/policies/evaluate-delegation';
import type { PolicyRequest } from '@corral/policy/cedar/request';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { Verdict } from '@corral/policy/cedar/verdict';
import type { Decision } from '@corral/protocol/model/decision';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { decisionOn, type Effect } from '@corral/protocol/wire/effect';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import { dayOf } from '@corral/protocol/model/spend';
import type { Store } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
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

async function* reevaluateRun(options: ReevaluationOptions, record: RunRecord, { history, days }: Past): AsyncGenerator<Reevaluated> {
  const dayKey = (at: number) => `${record.tenant} ${record.agent} ${dayOf(at)}`;
  const accounts = { today: (_: unknown, now: number) => days.get(dayKey(now)) ?? 0 };
  const { store, policies, tool } = options;
  const tenant = policies(record.tenant);
  if (tenant === undefined) return;
  const ledger = new Ledger(record, true);
  const waiting = new Map<number, { readonly tool: Tool; readonly input: Json }>();
  // The journal of a fork begins with copies of its origin's entries, which are evaluated with the origin.
  const shared = record.origin?.at ?? 0;
  for (let after = 0; ;) {
    const entries = await store.journal(record.id, after, PAGE);
    for (const entry of entries) {
      for (const { effect, decision } of begin(ledger, entry)) {
        if (effect.kind === 'call' && decision?.tool !== undefined && (decision.verdict !== 'deny' || decision.policy !== undefined)) {
          const offered = tool(record.tenant, decision.tool);
          const slots = slotted(ledger.handles, effect, ['input']);
          const given = slots.length === 0 ? ((effect.input ?? {}) as Json) : filled(effect.input as Json, slots);
          const parsed = offered?.input.check(given);
          if (offered === undefined || parsed?.ok !== true) {
            options.skipped(`${record.id} call ${effect.id}: ${decision.tool} is not offered, or takes other arguments now`);
          } else {
            const input = parsed.value as Json;
            const asked = ask(tenant.current, (current) =>
              judge(
                { current, history, roles: tenant.roles ?? (() => []), owner: tenant.owner },
                ledger,
                offered,
                input,
                Buffer.byteLength(JSON.stringify(input)),
                { now: entry.at, accounts },
                undefined,
                slots.length === 0 ? undefined : { slots: handledOf(slots), given },
              ),
            );
            if (asked !== undefined && entry.seq > shared)
              yield { run: record.id, crank: entry.seq, call: effect.id, recorded: decision, ...asked };
            const money = decision.reserved?.money_micros ?? 0;
            if (decision.verdict !== 'deny' && money > 0) days.set(dayKey(entry.at), (days.get(dayKey(entry.at)) ?? 0) + money);
            if (decision.verdict === 'allow') history.note(record, ledger.version, offered, input);
            else if (decision.verdict === 'ask') waiting.set(effect.id, { tool: offered, input });
          }
        }
        if ((effect.kind === 'send' || effect.kind === 'spawn') && decision?.agent !== undefined) {
          const handed = handedOf(effect, decision);
          const asked = ask(tenant.current, (current) =>
            judgeHanded({ current, history, roles: tenant.roles ?? (() => []), owner: tenant.owner }, ledger, handed, entry.at),
          );
          if (asked !== undefined && entry.seq > shared)
            yield { run: record.id, crank: entry.seq, call: effect.id, recorded: decision, ...asked };
          if (decision.verdict === 'allow') history.met(record.tenant, ledger.version, deedName(handed));
        }
        ledger.applyEffect(effect, withFacts(decision, tool, record.tenant));
      }
      finish(ledger, entry);
      const { event } = entry;
      const approved = event?.kind === 'approval' && event.verdict === 'approve' ? waiting.get(event.id) : undefined;
      if (approved !== undefined) history.note(record, ledger.version, approved.tool, approved.input);
    }
    if (entries.length < PAGE) return;
    after = entries.at(-1)?.seq ?? after;
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
function withFacts(decision: Decision | undefined, tool: ReevaluationOptions['tool'], tenant: string): Decision | undefined {
  if (decision?.tool === undefined || decision.tool_facts !== undefined) return decision;
  const offered = tool(tenant, decision.tool);
  return offered === undefined ? decision : { ...decision, tool_facts: factsOf(offered) };
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
  return { kind: effect.kind, agent, value, bytes: Buffer.byteLength(JSON.stringify(value)), gives, budget };
}

/** Evaluates one request, and returns it with its verdict; undefined if the policies were not asked. */
function ask(policy: PolicyInForce, put: (listening: Pick<PolicyInForce, 'decide'> & PolicyInForce) => unknown) {
  let heard: { readonly request: PolicyRequest; readonly verdict: Verdict } | undefined;
  const decide = (request: PolicyRequest): Verdict => {
    const verdict = policy.decide(request);
    heard = { request, verdict };
    return verdict;
  };
  const decideBy: PolicyInForce['decideBy'] = (subject, action, gather) => decide({ ...gather(), subject, action });
  const listening = new Proxy(policy, {
    get: (target, name) => (name === 'decide' ? decide : name === 'decideBy' ? decideBy : Reflect.get(target, name, target)),
  });
  put(listening);
  return heard;
}
