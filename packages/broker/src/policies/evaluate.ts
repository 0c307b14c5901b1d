/**
 * Evaluates the policies for one call: gathers the facts (flow of information, purse, history) and returns the verdict. Synchronous and
 * in memory, like all decisions (ARCHITECTURE.md, "Journal and commit").
 */
import type { PolicyRequest } from '@corral/policy/cedar/request';
import { subjectOf, type Subject } from '@corral/policy/cedar/catalog';
import { approved, rulesOf, type Verdict } from '@corral/policy/cedar/verdict';
import { effectOf, WORSE, type Flow, type InHandles } from '@corral/policy/flow/facts';
import { deedOf, type Deed } from '@corral/policy/flow/intent';
import { CLEAN } from '@corral/policy/flow/labels';
import { namedIn } from '@corral/policy/flow/places';
import { argumentAt } from '@corral/policy/capability/predicate';
import { modelIn } from '@corral/protocol/ids';
import { decidingIn, type StoodIn, type ToolFacts } from '@corral/protocol/model/decision';
import type { Inspected } from '@corral/protocol/model/inspection';
import type { Json } from '@corral/protocol/json';
import { MICROS, type BudgetName } from '@corral/protocol/limits';
import type { Budget } from '@corral/protocol/model/manifest';
import type { RunRecord } from '@corral/protocol/model/run';
import { dayOf } from '@corral/protocol/model/spend';
import type { Tool, ToolAnnotations } from '@corral/protocol/ports/tool';
import type { Accounts } from '../accounts/accounts.ts';
import type { Batch } from '../effects/batch.ts';
import type { Books } from '../ledger/books.ts';
import { serviceIn } from '../effects/service.ts';
import { inspectFacts, look, mustWait, type Looked } from './inspect.ts';
import type { Policies } from './port.ts';

export interface Judgement {
  readonly verdict: Verdict;
  /** The policies require approval. */
  readonly asks: boolean;
  readonly flow: Flow | undefined;
  readonly facts: ToolFacts;
  readonly looked: Looked;
}

/** The data of a decision that comes from the host, besides the run. */
export interface At {
  readonly now: number;
  /** Absent: what the agent spent on a day is not known. */
  readonly accounts?: Pick<Accounts, 'today'> | undefined;
  /** Findings of inspectors about the call; no others are asked then. */
  readonly inspected?: Inspected | undefined;
  /** Number of the call; left out: the next of the run. */
  readonly id?: number;
}
/** The reservation of an approved call, its day in the accounts, and what inspectors said of it. */
type Held = { readonly reserved: Budget; readonly day?: string; readonly inspected?: Inspected };

export const ORIGINS_SHOWN = 16;
const subjects = new WeakMap<RunRecord, { readonly version: string; readonly roles: string; readonly subject: Subject }>();

/** Cached for a run; made again after an upgrade, or when the principal's roles or the agent's owner change. */
export function subjectFor({ record, version }: Books, policies: Pick<Policies, 'roles' | 'owner'>): Subject {
  const known = subjects.get(record);
  // A child acts for the person who submitted the first of its ancestors.
  const person = record.submitter ?? record.principal;
  const held = policies.roles(person);
  const owner = policies.owner?.(record.agent);
  const roles = [owner ?? '', ...held].join('\n');
  if (known?.version === version && known.roles === roles) return known.subject;
  const subject = subjectOf({
    tenant: record.tenant,
    agent: record.agent,
    version,
    person,
    roles: held,
    ...(owner === undefined ? {} : { owner }),
  });
  subjects.set(record, { version, roles, subject });
  return subject;
}

export function factsOf(tool: Tool, input: Json): ToolFacts {
  const { annotations } = tool;
  const source = tool.writer?.(input);
  const trusted_fields = fieldsOf(annotations);
  return {
    // A message and a kept value have no effect of their own outside the run and carry their label; effects of who reads them are evaluated
    // when they happen.
    effect: serviceIn(tool.name) === undefined && tool.keeps !== true ? effectOf(annotations) : 'none',
    returns: annotations.returns,
    destinations: [...(annotations.destinations ?? [])],
    ...(annotations.relabels === undefined ? {} : { relabels: annotations.relabels.kind }),
    ...(annotations.private_to === undefined ? {} : { private_to: annotations.private_to }),
    ...(trusted_fields === undefined ? {} : { trusted_fields }),
    ...(source === undefined ? {} : { source }),
    ...(tool.keeps === undefined ? {} : { keeps: tool.keeps }),
  };
}

const fieldsOf = ({ returns, trusted_fields = [] }: ToolAnnotations): string[] | undefined =>
  returns === 'untrusted' && trusted_fields.length > 0 ? [...trusted_fields] : undefined;

/** The action of policies for a call of this tool, or for an answer to one. */
export function actionOf(tool: string, kind: 'call' | 'answer' = 'call'): PolicyRequest['action'] {
  const model = modelIn(tool);
  return model === undefined ? { kind, target: 'tool', name: tool } : { kind, target: 'model', name: model };
}

const deeds = new WeakMap<Tool, Deed>();

/** Cached for a tool. */
function deedFor(tool: Tool): Deed {
  const known = deeds.get(tool);
  if (known !== undefined) return known;
  const deed = deedOf(tool.name, tool.description);
  deeds.set(tool, deed);
  return deed;
}

const schemaNames = new WeakMap<Tool, ReadonlySet<string>>();
/** Schemas of tools are shallower; of a deeper one the rest counts as free text. */
const SCHEMA_DEPTH = 32;

/** The names of members that a tool's schema of its arguments gives. Cached for a tool. */
function namesFor(tool: Tool): ReadonlySet<string> {
  const known = schemaNames.get(tool);
  if (known !== undefined) return known;
  const names = new Set<string>();
  const walk = (at: unknown, depth: number): void => {
    if (typeof at !== 'object' || at === null || depth > SCHEMA_DEPTH) return;
    for (const [word, value] of Object.entries(at)) {
      if (word === 'properties' && typeof value === 'object' && value !== null) for (const name of Object.keys(value)) names.add(name);
      walk(value, depth + 1);
    }
  };
  walk(tool.input.schema, 0);
  schemaNames.set(tool, names);
  return names;
}

/**
 * @param at the time of the decision, and the accounts above the run
 * @param held for an approved call: its reservation and the day of it; a call that only needs approval is allowed then
 * @param inHandles the parts of the arguments that the agent has not read
 */
export function judge(
  policies: Policies,
  ledger: Books,
  tool: Tool,
  input: Json,
  bytes: number,
  at: At,
  held?: Held,
  inHandles?: InHandles,
): Judgement {
  const { record } = ledger;
  const { now } = at;
  const { history } = policies;
  const facts = factsOf(tool, input);
  const money = tool.annotations.money;
  const amount = money === undefined ? undefined : amountOf(input, money);
  const first_use = !history.used(record.tenant, ledger.version, tool.name);
  const moved = history.moved(record.tenant, record.agent);
  // Where nothing was ever moved and the tool is new, there is no history to be above: that mark is first_use_of_tool.
  const amount_above_history = amount !== undefined && amount > moved && (moved > 0 || !first_use);
  const flow = ledger.flow?.flow(
    {
      name: tool.name,
      effect: facts.effect,
      destinations: facts.destinations,
      deed: deedFor(tool),
      names: namesFor(tool),
      ...(modelIn(tool.name) === undefined ? {} : { model: true as const }),
      ...(money === undefined ? {} : { money }),
    },
    input,
    { first_use, amount_above_history },
    (destination) => history.reached(record.tenant, record.agent, destination),
    inHandles,
  );
  const subject = subjectFor(ledger, policies);
  const action = actionOf(tool.name);
  const given = held === undefined ? at.inspected : (held.inspected ?? {});
  const looked = look(policies, subject, action, () => input, { given });
  const request: PolicyRequest = {
    subject,
    action,
    args: input,
    context: {
      ...factsOfRun(ledger, now, held?.reserved),
      flow: flow?.facts ?? UNTRACKED,
      call: { bytes, first_use, last_minute: ledger.rates.lastMinute(tool.name, now), ...moneyOf(ledger, amount, at, held) },
    },
    ...inspectFacts(looked),
  };
  const verdict = policies.current.decide(request);
  // An approved call is evaluated a second time, and was reported the first time. One that waits for inspectors is reported later.
  if (held === undefined && !mustWait(looked, verdict))
    policies.shadow?.({ run: record.id, entry: ledger.seq + 1, id: at.id ?? ledger.lastId + 1, request, verdict });
  const asks = verdict.consequence === 'approval';
  return { verdict: held === undefined ? verdict : approved(verdict), asks, flow, facts, looked };
}

/**
 * Facts for policies about any effect of a run.
 * @param held the reservation of the effect that is evaluated
 */
export function factsOfRun(ledger: Books, now: number, held?: Budget): Pick<PolicyRequest['context'], 'now' | 'labels' | 'budget' | 'run'> {
  const { purse, record } = ledger;
  const label = ledger.label ?? CLEAN;
  const left = (name: BudgetName) => purse.left(name) + (held?.[name] ?? 0);
  return {
    now,
    labels: { integrity: label.influenced_by, confidentiality: label.private_to },
    budget: factsOfBudget(left),
    run: {
      depth: record.spawn_depth,
      age_ms: ledger.wall.age(now),
      calls: ledger.calls,
      ...(record.program === undefined ? {} : { program: record.program.digest }),
    },
  };
}

/** Amounts of a purse as policies read them: integers, and money in units of the currency. */
export function factsOfBudget(amount: (name: BudgetName) => number): PolicyRequest['context']['budget'] {
  return {
    cpu_ms: Math.floor(amount('cpu_ms')),
    calls: amount('calls'),
    messages: amount('messages'),
    bytes: amount('bytes'),
    children: amount('children'),
    tokens: amount('tokens'),
    money: moneyLeft(amount('money_micros')),
  };
}

/** The people whom the matching rules name: `@approver("owner")`. */
export function approversOf({ reasons }: Verdict): string[] {
  return [...new Set(reasons.flatMap(({ annotations: { approver } }) => (approver === undefined ? [] : [approver])))];
}

/** Records the consequences of a denial beyond the denial itself. */
export function consequencesOf(verdict: Verdict, batch: Pick<Batch, 'consequences'>): void {
  const { consequence: kind } = verdict;
  if (kind === 'pause' || kind === 'quarantine') batch.consequences.push({ kind, rules: decidingIn(rulesOf(verdict)) });
}

/**
 * The origins of arguments, the worst first, for the decision record. A text without words has none. Where there are too many, the worst of
 * each top-level argument is there before a second of any: an argument with many parts cannot push the others out.
 */
export function originsOf(flow: Flow | undefined): [path: string, origin: string, ...StoodIn[]][] {
  const sorted = (flow?.traces ?? [])
    .filter(({ origin, found }) => origin !== 'user' || found !== 'nothing')
    .toSorted((a, b) => WORSE.indexOf(b.origin) - WORSE.indexOf(a.origin));
  const firsts = [...Map.groupBy(sorted, ({ path }) => topOf(path)).values()].map(([first]) => first);
  const kept = new Set(firsts.slice(0, ORIGINS_SHOWN));
  for (const one of sorted) if (kept.size < ORIGINS_SHOWN) kept.add(one);
  const anyOf = { call: 0, of: '', by: namedIn(flow?.influenced_by ?? []), field: '' };
  return sorted
    .filter((one) => kept.has(one))
    .map(({ path, origin, place = origin === 'untrusted' && anyOf.by.length > 0 ? anyOf : undefined }) => [
      path,
      origin,
      ...(place === undefined ? [] : [place]),
    ]);
}

/** The name of the argument that a path begins with. */
const topOf = (path: string): string => /^[^.[]*/.exec(path)?.[0] ?? '';

/** The money that a call moves, and that with what its agent spent on this day. The reservation of a held call is in the account. */
function moneyOf(ledger: Books, amount: number | undefined, { now, accounts }: At, held: Held | undefined) {
  if (amount === undefined) return {};
  if (accounts === undefined) return { amount };
  const before = accounts.today(ledger, now) / MICROS;
  const own = held?.day === dayOf(now) ? 0 : amount;
  return { amount, amount_day: Math.min(before + own, MOST) };
}

/** Invalid or negative amounts count as the maximum. */
export function amountOf(input: Json, name: string): number | undefined {
  const value = argumentAt(input, name);
  if (value === undefined) return undefined;
  return typeof value === 'number' && value >= 0 ? Math.min(value, MOST) : MOST;
}

/** The money left in units of the currency, rounded down to four decimals, the precision of Cedar's decimals. */
const moneyLeft = (micros: number): number => Math.floor(micros / 100) / (MICROS / 100);

/** Approximately Cedar's largest decimal. */
const MOST = 922_337_203_685_477;

/** The flow facts of a run whose flow is not tracked: the worst case. */
export const UNTRACKED: Flow['facts'] = {
  effect: 'change',
  untrusted_input: true,
  untrusted_influence: true,
  private_data: true,
  outside_effect: true,
  carries_private: true,
  destination_origin: 'untrusted',
  argument_origin: 'untrusted',
  foreign_identifier: true,
  unasked_link: true,
  steered_by_handle: true,
  destination_literal: false,
  requested: 'no',
  first_time_destination: true,
  unusual: [],
};
