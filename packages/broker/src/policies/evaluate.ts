/**
 * Asks the policies about one call: gathers what is known of it (flow of information, purse, history) and turns the verdict
 * into what happens. Synchronous and in memory, as all deciding is (DESIGN 1.4).
 */
import type { PolicyRequest } from '@corral/policy/cedar/request';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import { subjectOf, type Subject } from '@corral/policy/cedar/catalog';
import { approved, type Verdict } from '@corral/policy/cedar/verdict';
import { effectOf, type Flow, type InHandles } from '@corral/policy/flow/facts';
import { deedOf, type Deed } from '@corral/policy/flow/intent';
import { CLEAN } from '@corral/policy/flow/labels';
import { argumentAt } from '@corral/policy/capability/predicate';
import type { ToolFacts } from '@corral/protocol/model/decision';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { MICROS, type BudgetName } from '@corral/protocol/limits';
import type { Budget } from '@corral/protocol/model/manifest';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Batch } from '../effects/batch.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { serviceIn } from '../effects/service.ts';

/** What this host has seen agents do before, in any run. */
export interface History {
  /** Whether this version of an agent has used a tool before. */
  used(tenant: string, version: string, tool: string): boolean;
  /** Whether this agent has reached a destination before. */
  reached(tenant: string, agent: string, destination: string): boolean;
  /** The most money that this agent has moved with one call. */
  moved(tenant: string, agent: string): number;
  note(record: RunRecord, version: string, tool: Tool, input: Json): void;
  /** A version has sent to an agent, or spawned one; see deedName(). */
  met(tenant: string, version: string, name: string): void;
}

/** One decision, as whatever runs beside the policies in force is told of it. */
export interface Decided {
  readonly run: RunId;
  /** Of the journal. */
  readonly entry: number;
  /** Number of the call, message or spawn. */
  readonly id: number;
  readonly request: PolicyRequest;
  readonly verdict: Verdict;
}

/** A tenant's policies, and what else deciding by them needs. */
export interface Policies {
  readonly current: PolicyInForce;
  readonly history: History;
  /** Roles of a principal, for policies that ask for them. */
  readonly roles: (principal: string) => readonly string[];
  /** Who answers for an agent, where that is known. */
  readonly owner?: ((agent: string) => string | undefined) | undefined;
  /** Told of each decision, after it was made. */
  readonly shadow?: ((decided: Decided) => void) | undefined;
}

export interface Judgement {
  readonly verdict: Verdict;
  /** The policies want people to approve it. */
  readonly asks: boolean;
  readonly flow: Flow | undefined;
  readonly facts: ToolFacts;
}

const ORIGINS_SHOWN = 16;
const subjects = new WeakMap<RunRecord, { readonly version: string; readonly roles: string; readonly subject: Subject }>();

/** Made once a run, and again when it is upgraded, or its principal's roles or its owner change under it. */
export function subjectFor({ record, version }: Ledger, policies: Pick<Policies, 'roles' | 'owner'>): Subject {
  const known = subjects.get(record);
  // A child acts for whoever submitted the first of its ancestors.
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

export function factsOf(tool: Tool): ToolFacts {
  const { annotations } = tool;
  return {
    // A message leaves nothing but the run, and brings its label along; what a service does with it is judged when it does it.
    effect: serviceIn(tool.name) === undefined ? effectOf(annotations) : 'none',
    returns: annotations.returns,
    destinations: [...(annotations.destinations ?? [])],
    ...(annotations.relabels === undefined ? {} : { relabels: annotations.relabels.kind }),
    ...(annotations.private_to === undefined ? {} : { private_to: annotations.private_to }),
  };
}

const deeds = new WeakMap<Tool, Deed>();

/** Made once a tool. */
function deedFor(tool: Tool): Deed {
  const known = deeds.get(tool);
  if (known !== undefined) return known;
  const deed = deedOf(tool.name, tool.description);
  deeds.set(tool, deed);
  return deed;
}

/**
 * @param held what is reserved for the call already, of one that people have approved: what only their approval stood in the way of
 * is allowed then
 * @param inHandles what of the arguments the agent itself has not read
 */
export function judge(
  policies: Policies,
  ledger: Ledger,
  tool: Tool,
  input: Json,
  bytes: number,
  now: number,
  held?: Budget,
  inHandles?: InHandles,
): Judgement {
  const { record } = ledger;
  const { history } = policies;
  const facts = factsOf(tool);
  const money = tool.annotations.money;
  const amount = money === undefined ? undefined : amountOf(input, money);
  const first_use = !history.used(record.tenant, ledger.version, tool.name);
  const flow = ledger.flow?.flow(
    {
      name: tool.name,
      effect: facts.effect,
      destinations: facts.destinations,
      deed: deedFor(tool),
      ...(money === undefined ? {} : { money }),
    },
    input,
    { first_use, amount_above_history: amount !== undefined && amount > history.moved(record.tenant, record.agent) },
    (destination) => history.reached(record.tenant, record.agent, destination),
    inHandles,
  );
  const request: PolicyRequest = {
    subject: subjectFor(ledger, policies),
    action: { kind: 'call', target: 'tool', name: tool.name },
    args: input,
    context: {
      ...factsOfRun(ledger, now, held),
      flow: flow?.facts ?? UNTRACKED,
      call: { bytes, first_use, last_minute: ledger.rates.lastMinute(tool.name, now), ...(amount === undefined ? {} : { amount }) },
    },
  };
  const verdict = policies.current.decide(request);
  // An approved call is decided about once more, and has been told of.
  if (held === undefined) policies.shadow?.({ run: record.id, entry: ledger.seq + 1, id: ledger.lastId + 1, request, verdict });
  const asks = verdict.consequence === 'approval';
  return { verdict: held === undefined ? verdict : approved(verdict), asks, flow, facts };
}

/**
 * What policies may ask about any effect of a run.
 * @param held what is reserved already for the very effect that is asked about
 */
export function factsOfRun(
  ledger: Ledger,
  now: number,
  held?: Budget,
): Pick<PolicyRequest['context'], 'now' | 'labels' | 'budget' | 'run'> {
  const { purse, record } = ledger;
  const label = ledger.label ?? CLEAN;
  const left = (name: BudgetName) => purse.left(name) + (held?.[name] ?? 0);
  return {
    now,
    labels: { integrity: label.influenced_by, confidentiality: label.private_to },
    budget: factsOfBudget(left),
    run: { depth: record.spawn_depth, age_ms: ledger.wall.age(now), calls: ledger.calls },
  };
}

/** Amounts of a purse as policies read them: whole ones, and money in units of the currency. */
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

/** Whom the rules that ask name: `@approver("owner")`. */
export function approversOf({ reasons }: Verdict): string[] {
  return [...new Set(reasons.flatMap(({ annotations: { approver } }) => (approver === undefined ? [] : [approver])))];
}

/** What a denial means for the run, besides the denial. */
export function consequencesOf({ consequence, reasons }: Verdict, batch: Pick<Batch, 'consequences'>): void {
  if (consequence === 'pause' || consequence === 'quarantine')
    batch.consequences.push({ kind: consequence, rules: reasons.map(({ policy }) => policy) });
}

/** Where arguments came from, the worst first, for the decision record. */
export function originsOf(flow: Flow | undefined): [string, string][] {
  return (flow?.traces ?? []).slice(0, ORIGINS_SHOWN).map(({ path, origin }) => [path, origin]);
}

/** An amount that is there and cannot be read as one, or is below nothing, is taken for more than anything. */
function amountOf(input: Json, name: string): number | undefined {
  const value = argumentAt(input, name);
  if (value === undefined) return undefined;
  return typeof value === 'number' && value >= 0 ? Math.min(value, MOST) : MOST;
}

/** What is left of the money in whole units of the currency, and never a ten-thousandth more: policies know no smaller part. */
const moneyLeft = (micros: number): number => Math.floor(micros / 100) / (MICROS / 100);

/** The largest decimal that Cedar knows, about. */
const MOST = 922_337_203_685_477;

/** What is stated of a run whose flow nobody follows: the worst. */
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
