/**
 * Resolve, validate, decide: what becomes of each effect of a crank. Synchronous and in memory (DESIGN 1.4). The ledger
 * is taken along effect by effect, so that the second call of a crank already finds the purse without what the first took.
 */
import { targetName, type Grants, type Refusal } from '@corral/policy/grants';
import type { Decision } from '@corral/protocol/decision';
import type { CallEffect, Effect, SendEffect, SpawnEffect } from '@corral/protocol/effect';
import type { ErrorCode } from '@corral/protocol/errors';
import type { Attenuation, Grant } from '@corral/protocol/grant';
import { newId, type GrantId, type PrincipalId, type ToolName } from '@corral/protocol/ids';
import { canonical, isDeeperThan, JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';
import {
  BUDGET_NAMES,
  BUDGETS,
  DEFAULT_CEILINGS,
  LIMIT_OF_BUDGET,
  MACHINE,
  SPAWN_BUDGET,
  type BudgetName,
  type CeilingName,
  type Ceilings,
} from '@corral/protocol/limits';
import { CLEAN } from '@corral/policy/flow/labels';
import type { Label } from '@corral/protocol/label';
import type { AgentVersion, Budget } from '@corral/protocol/manifest';
import { bounded, type Outcome } from '@corral/protocol/outcome';
import type { Random } from '@corral/protocol/ports';
import type { RunRecord } from '@corral/protocol/run';
import type { Outgoing } from '@corral/protocol/store';
import { mayStartEarly, type Tool } from '@corral/protocol/tool';
import { judge, originsOf, type Policies } from './judge.ts';
import type { Ledger } from './ledger.ts';
import { carried, deriveAll, type Slot } from './slots.ts';

/** What deciding may look at. */
export interface DecideContext {
  readonly now: number;
  readonly random: Random;
  readonly grants: Grants;
  readonly tool: (name: string) => Tool | undefined;
  /** Agents of the run's own bundle, by name. */
  readonly agent: (name: string) => AgentVersion | undefined;
  /** What the run's tenant has in force; undefined: grants alone decide. */
  readonly policies: Policies | undefined;
  readonly digest: (text: string) => string;
}

/** A call that may go out, with its arguments as the tool's schema gave them back. */
export interface Dispatch {
  readonly id: number;
  readonly tool: Tool;
  readonly input: Json;
  readonly timeout_ms: number | undefined;
  /** Attempts at most, as the agent asked for; undefined: as the tool's annotations have it. */
  readonly attempts?: number | undefined;
  /** It changes nothing in the outside world, so it need not wait for the commit. */
  readonly early: boolean;
}

/** Everything that follows from the effects of one crank. */
export interface Batch {
  readonly decisions: Decision[];
  readonly dispatches: Dispatch[];
  readonly outbox: Outgoing[];
  /** For each outgoing message, the effect it came from. */
  readonly sentBy: number[];
  readonly spawned: RunRecord[];
  readonly grants: Grant[];
  readonly counted: Set<GrantId>;
  readonly timers: { id: number; due: number }[];
  readonly timersDone: number[];
  readonly aborts: number[];
  /** What the run let go of. */
  readonly disposed: GrantId[];
  readonly emits: { event: string; data: Json }[];
  readonly logs: { level: string; text: string }[];
  /** What a denial means for the run, besides the denial. */
  readonly consequences: { readonly kind: 'pause' | 'quarantine'; readonly rules: readonly string[] }[];
  /** The run is over. Nothing of a crank that broke the rules of the bus leaves. */
  outcome: Outcome | undefined;
  /** The message that its sends answer, and whether the run changed something in between. */
  cause: Cause | undefined;
}

export interface Cause {
  readonly message: string;
  readonly progress: boolean;
}

/** The run broke a rule that no SDK lets it break by accident. */
class Violation extends Error {
  readonly outcome: Outcome;
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.outcome = { kind: 'failed', code, message };
  }
}

/** A refusal that is told to the agent. */
class Refused extends Error {
  readonly code: ErrorCode;
  readonly limit: string | undefined;
  readonly more: Partial<Decision>;
  constructor(code: ErrorCode, message: string, limit?: string, more: Partial<Decision> = {}) {
    super(message);
    this.code = code;
    this.limit = limit;
    this.more = more;
  }
}

export const emptyBatch = (): Batch => ({
  decisions: [],
  dispatches: [],
  outbox: [],
  sentBy: [],
  spawned: [],
  grants: [],
  counted: new Set(),
  timers: [],
  timersDone: [],
  aborts: [],
  disposed: [],
  emits: [],
  logs: [],
  consequences: [],
  outcome: undefined,
  cause: undefined,
});

/** Decides a whole crank. The ledger has all of it when this returns. */
export function decide(ledger: Ledger, seq: number, effects: readonly Effect[], context: DecideContext): Batch {
  const batch = emptyBatch();
  try {
    for (const effect of effects) {
      if (ledger.finished !== undefined || ledger.checkpointing !== undefined) {
        const last = ledger.finished === undefined ? 'checkpoint' : 'finish';
        throw new Violation('CORRAL_EFFECT_INVALID', `An effect of kind ${effect.kind} came after ${last}.`);
      }
      const decision = decideOne(ledger, seq, effect, context, batch);
      if (decision !== undefined) batch.decisions.push(decision);
      ledger.applyEffect(effect, decision);
    }
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    for (const { grants = [] } of batch.outbox) for (const { id } of grants) context.grants.release(id);
    return { ...emptyBatch(), decisions: batch.decisions, outcome: error.outcome };
  }
  return batch;
}

function decideOne(ledger: Ledger, seq: number, effect: Effect, context: DecideContext, batch: Batch): Decision | undefined {
  switch (effect.kind) {
    case 'call':
      return numbered(ledger, effect, () => decideCall(ledger, effect, context, batch));
    case 'send':
      return numbered(ledger, effect, () => decideSend(ledger, seq, effect, context, batch));
    case 'spawn':
      return numbered(ledger, effect, () => decideSpawn(ledger, effect, context, batch));
    case 'timer':
      return numbered(ledger, effect, () => {
        const due = context.now + Math.min(effect.ms, MACHINE.timer_ms.max);
        batch.timers.push({ id: effect.id, due });
        return { id: effect.id, verdict: 'allow', due };
      });
    case 'abort':
      if (ledger.pending.get(effect.id)?.kind === 'timer') batch.timersDone.push(effect.id);
      else batch.aborts.push(effect.id);
      return undefined;
    case 'dispose': {
      const id = ledger.caps.get(effect.cap);
      if (id !== undefined) batch.disposed.push(id);
      else if (!wasGiven(ledger, effect.cap))
        throw new Violation('CORRAL_CAP_FORGED', `The run let go of capability ${effect.cap}, which it was never given.`);
      return undefined;
    }
    case 'emit':
      batch.emits.push({ event: effect.event, data: whole(ledger, effect.data, 'The data of an emit') });
      return undefined;
    case 'log':
      batch.logs.push({ level: effect.level, text: effect.text });
      return undefined;
    case 'checkpoint':
      whole(ledger, effect.state, 'The state of a checkpoint');
      whole(ledger, effect.unread, 'The unread messages of a checkpoint', UNREAD_DEPTH);
      if (ledger.pending.size > 0 || batch.dispatches.length > 0)
        throw new Violation('CORRAL_EFFECT_INVALID', 'A checkpoint was made while something was under way.');
      return undefined;
    case 'finish':
      whole(ledger, effect.output, 'The output');
      return undefined;
    case 'listen':
      return undefined;
  }
}

function numbered(ledger: Ledger, effect: { readonly id: number; readonly kind: string }, decideIt: () => Decision): Decision {
  if (effect.id !== ledger.lastId + 1)
    throw new Violation('CORRAL_EFFECT_INVALID', `A ${effect.kind} is numbered ${effect.id}; the next number is ${ledger.lastId + 1}.`);
  try {
    return decideIt();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return {
      ...error.more,
      id: effect.id,
      verdict: 'deny',
      code: error.code,
      message: bounded(error.message),
      ...(error.limit === undefined ? {} : { limit: error.limit }),
    };
  }
}

/** What goes out of a run carries what could have influenced it. */
export function labelOf({ flow }: Ledger): { readonly label?: Label } {
  return flow === undefined || canonical(flow.label) === canonical(CLEAN) ? {} : { label: flow.label };
}

/** The grant behind an index, or the end of the run: an index that was never given is a forgery. */
function resolve(ledger: Ledger, cap: number, context: DecideContext): Grant {
  const id = ledger.caps.get(cap);
  // The mailbox of a child goes with it.
  if (id === undefined && cap < 0 && -cap <= ledger.lastId) throw new Refused('CORRAL_RECIPIENT_ENDED', 'The child has ended.');
  if (id === undefined && wasGiven(ledger, cap))
    throw new Refused('CORRAL_REVOKED', 'The run has let go of the capability, or held too many when it came.');
  if (id === undefined) throw new Violation('CORRAL_CAP_FORGED', `The run used capability ${cap}, which it was never given.`);
  const grant = context.grants.get(id);
  // Another run's grant is worth nothing here, however it got into the list: a fork has copied its origin's journal.
  if (grant === undefined || grant.holder !== ledger.record.id) throw new Refused('CORRAL_REVOKED', 'The capability was taken back.');
  return grant;
}

/** Whether the run ever had a capability of that index. */
function wasGiven(ledger: Ledger, cap: number): boolean {
  return cap >= 0 ? cap < ledger.nextCap : -cap <= ledger.lastId;
}

/** What a run gives away. An index that was never given ends it, whatever else is wrong. */
function slotsOf(
  ledger: Ledger,
  caps: Readonly<Record<string, Attenuation & { readonly cap: number }>> | undefined,
  context: DecideContext,
): Slot[] {
  if (caps === undefined) return [];
  return Object.entries(caps).map(([alias, { cap, ...terms }]) => ({ alias, terms, from: resolve(ledger, cap, context) }));
}

/** Whether anything untrusted may have influenced the run; undefined where nobody keeps track. */
export const untrusted = ({ flow }: Ledger): boolean | undefined => flow?.label.sticky.untrusted_input;

function decideCall(ledger: Ledger, effect: CallEffect, context: DecideContext, batch: Batch): Decision {
  const grant = resolve(ledger, effect.cap, context);
  if (grant.target.kind !== 'tool') throw new Refused('CORRAL_ARGS_INVALID', 'A mailbox is sent to, not called.');
  const tool = context.tool(grant.target.tool);
  if (tool === undefined) throw new Refused('CORRAL_CAP_UNKNOWN', `This host no longer offers ${grant.target.tool}.`);

  const { ceilings } = ledger.record;
  // What costs nothing to find out comes first.
  if (ledger.inFlight >= ceilings.in_flight) {
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `${ledger.inFlight} calls are under way already.`, 'in_flight');
  }
  const { value: given, bytes } = json(effect.input ?? {}, 'The arguments', ceilings.message_bytes);
  const parsed = tool.input.safeParse(given);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.join('.') ?? '';
    throw new Refused(
      'CORRAL_ARGS_INVALID',
      `${tool.name} does not take these arguments: ${where === '' ? '' : `${where}: `}${issue?.message ?? 'they do not fit its schema'}.`,
    );
  }
  // Predicates judge what the tool will see, not what was sent.
  const input = parsed.data as Json;
  const reserved = { calls: 1, bytes };
  afford(ledger, reserved);
  const use = { bytes, untrusted: untrusted(ledger), reads: tool.annotations.readOnly };
  refuse(context.grants.check(grant.id, input, context.now, use));
  const decision: Decision = { id: effect.id, verdict: 'allow', tool: grant.target.tool, grant: grant.id, reserved };
  if (ledger.loops !== undefined) {
    const { readOnly, resource } = tool.annotations;
    Object.assign(decision, { changes: !readOnly }, resource === undefined ? {} : { resource });
  }
  if (context.policies !== undefined) Object.assign(decision, byPolicy(ledger, tool, input, bytes, context, context.policies, batch));
  for (const id of context.grants.use(grant.id, context.now, bytes)) batch.counted.add(id);
  if (decision.verdict === 'ask') batch.timers.push({ id: effect.id, due: decision.expires_at as number });
  else {
    const { id, timeout_ms, retry } = effect;
    batch.dispatches.push({ id, tool, input, timeout_ms, attempts: retry?.attempts, early: mayStartEarly(tool.annotations) });
  }
  return decision;
}

/** What the policies say of a call that its grant allows. @throws Refused when they deny it */
function byPolicy(
  ledger: Ledger,
  tool: Tool,
  input: Json,
  bytes: number,
  context: DecideContext,
  policies: Policies,
  batch: Batch,
): Partial<Decision> {
  const { verdict, flow, facts } = judge(policies, ledger, tool, input, bytes, context.now);
  const rules = verdict.reasons.map(({ policy }) => policy);
  const common = {
    tool: tool.name as ToolName,
    policy: verdict.policy_version,
    rules,
    tool_facts: facts,
    ...(flow === undefined ? {} : { unusual: [...flow.facts.unusual], origins: originsOf(flow) }),
  };
  if (verdict.decision === 'allow') {
    policies.history.note(ledger.record, ledger.version, tool, input);
    return common;
  }
  if (verdict.consequence === 'approval') {
    const expires_at = context.now + MACHINE.approval_ms.default;
    return { ...common, verdict: 'ask', quorum: verdict.quorum ?? 1, expires_at, digest: context.digest(canonical(input)) };
  }
  if (verdict.consequence === 'pause' || verdict.consequence === 'quarantine')
    batch.consequences.push({ kind: verdict.consequence, rules });
  const why = rules.length > 0 ? `by ${rules.join(', ')}` : (verdict.errors[0]?.message ?? 'since nothing permits it');
  throw new Refused('CORRAL_DENIED', `${tool.name} was refused ${why}.`, undefined, common);
}

function decideSend(ledger: Ledger, seq: number, effect: SendEffect, context: DecideContext, batch: Batch): Decision {
  const grant = resolve(ledger, effect.cap, context);
  if (grant.target.kind !== 'mailbox') throw new Refused('CORRAL_ARGS_INVALID', 'A tool is called, not sent to.');
  const { record } = ledger;
  const slots = slotsOf(ledger, effect.caps, context);
  if (slots.length > MACHINE.message_slots.default)
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `A message carries at most ${MACHINE.message_slots.default} capabilities.`, 'capabilities');
  const { value: body, bytes } = json(effect.body ?? null, 'The message', record.ceilings.message_bytes);
  if (ledger.depth >= record.ceilings.message_depth) {
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `The message would be number ${ledger.depth + 1} of its causal chain.`, 'message_depth');
  }
  const reserved = { messages: 1, bytes };
  afford(ledger, reserved);
  refuse(context.grants.check(grant.id, body, context.now, { bytes, untrusted: untrusted(ledger), reads: false }));
  const made = deriveAll(slots, grant.target.run, context);
  if ('code' in made) throw new Refused(made.code, made.message);
  // Held by the message until it has arrived.
  for (const one of made) context.grants.add(one);
  for (const id of context.grants.use(grant.id, context.now, bytes)) batch.counted.add(id);
  batch.outbox.push({
    to: grant.target.run,
    key: `${seq}.${batch.outbox.length}`,
    delivery: {
      kind: 'message',
      from: { run: record.id, agent: record.agent },
      body,
      ...(made.length === 0 ? {} : { caps: carried(slots, made) }),
      depth: ledger.depth + 1,
      ...labelOf(ledger),
    },
    ...(made.length === 0 ? {} : { grants: made }),
  });
  batch.sentBy.push(effect.id);
  return { id: effect.id, verdict: 'allow', grant: grant.id, reserved };
}

function decideSpawn(ledger: Ledger, effect: SpawnEffect, context: DecideContext, batch: Batch): Decision {
  const { record } = ledger;
  const spawns = context.agent(record.agent)?.manifest.spawns ?? [];
  // Forged slots end the run whatever else is wrong with the spawn.
  const slots = slotsOf(ledger, effect.caps, context);
  const version = spawns.includes(effect.agent) ? context.agent(effect.agent) : undefined;
  if (version === undefined) throw new Refused('CORRAL_AGENT_UNKNOWN', `${record.agent} does not name ${effect.agent} in its spawns.`);
  const child = version.manifest;
  if (record.spawn_depth >= record.ceilings.spawn_depth) {
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `A child of this run would be generation ${record.spawn_depth + 1}.`, 'spawn_depth');
  }
  if (ledger.caps.size >= MACHINE.capabilities.default) {
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `The run holds ${ledger.caps.size} capabilities already.`, 'capabilities');
  }
  const { value: input } = json(effect.input ?? null, 'The input of the child', record.ceilings.message_bytes);

  const id = newId('run', context.random);
  const caps: RunRecord['caps'][number][] = [];
  const grants: Grant[] = [];
  for (const { alias, terms, from } of slots) {
    const wanted = child.uses[alias];
    if (wanted === undefined) throw new Refused('CORRAL_ARGS_INVALID', `${effect.agent} does not use a capability called ${alias}.`);
    if (wanted !== targetName(from.target))
      throw new Refused('CORRAL_ARGS_INVALID', `${effect.agent} uses ${alias} as ${wanted}, and was offered ${targetName(from.target)}.`);
    const made = context.grants.derive(from.id, newId('grant', context.random), id, terms, context.now);
    if ('code' in made) throw new Refused(made.code, made.message);
    grants.push(made);
    caps.push({ alias, cap: caps.length + 1, grant: made.id });
  }
  for (const alias of Object.keys(child.uses)) {
    if (!(alias in effect.caps))
      throw new Refused('CORRAL_CAP_NOT_GRANTED', `${effect.agent} uses ${alias}, and the spawn does not give it.`);
  }

  const budget = share(ledger, { ...child.budget, ...effect.budget });
  const reserved = { ...budget, children: budget.children + 1 };
  afford(ledger, reserved);

  const own: Grant = {
    id: newId('grant', context.random),
    parent: undefined,
    holder: id,
    target: { kind: 'mailbox', run: id },
    where: {},
    uses: undefined,
    expires_at: undefined,
    depth: 0,
  };
  const forParent: Grant = { ...own, id: newId('grant', context.random), parent: own.id, holder: record.id, depth: 1 };
  for (const grant of [own, forParent, ...grants]) {
    batch.grants.push(grant);
    context.grants.add(grant);
  }
  batch.spawned.push({
    id,
    tenant: record.tenant,
    agent: effect.agent,
    version: version.version,
    ...labelOf(ledger),
    bundle: version.bundle,
    principal: `run:${record.id}` as PrincipalId,
    parent: { run: record.id, id: effect.id, agent: record.agent },
    spawn_depth: record.spawn_depth + 1,
    input,
    header: { ...record.header, seed: Buffer.from(context.random(32)).toString('hex') },
    ceilings: within(record.ceilings, { ...DEFAULT_CEILINGS, ...child.ceilings }),
    budget,
    caps: [{ alias: '', cap: 0, grant: own.id }, ...caps],
    created_at: context.now,
  });
  return { id: effect.id, verdict: 'allow', child: id, grant: forParent.id, reserved };
}

/** What a child asks for, and in nothing more than its parent has: whoever is held to a ceiling sheds it by no spawn. */
function within(most: Ceilings, wanted: Ceilings): Ceilings {
  return Object.fromEntries(
    Object.entries(wanted).map(([name, amount]) => [name, Math.min(amount, most[name as CeilingName])]),
  ) as Ceilings;
}

/**
 * What a child gets: what was named, which must be there; of the rest a default, as far as it is there. Nobody gives away all of
 * the CPU time without having said so: without any, its own next crank would end the giver.
 */
function share(ledger: Ledger, named: Budget): Record<BudgetName, number> {
  const spare = (name: BudgetName) => Math.floor(name === 'cpu_ms' ? ledger.purse.left(name) / 2 : ledger.purse.left(name));
  return Object.fromEntries(
    BUDGET_NAMES.map((name) => [name, named[name] ?? Math.max(BUDGETS[name].min, Math.min(SPAWN_BUDGET[name], spare(name)))]),
  ) as Record<BudgetName, number>;
}

function afford(ledger: Ledger, amounts: Budget): void {
  const lacking = ledger.purse.lacks(amounts);
  if (lacking === undefined) return;
  const left = Math.max(0, Math.floor(ledger.purse.left(lacking)));
  throw new Refused(
    'CORRAL_BUDGET_EXCEEDED',
    `This needs ${amounts[lacking]} of ${lacking}, and ${left} of ${ledger.purse.granted[lacking]} are left.`,
    LIMIT_OF_BUDGET[lacking],
  );
}

/** Of an effect without a reply, in which it could be refused; the SDK refuses what is too large where it is made. */
function whole(ledger: Ledger, value: unknown, what: string, depth = JSON_MAX_DEPTH): Json {
  try {
    return json(value ?? null, what, ledger.record.ceilings.message_bytes, depth).value;
  } catch (error) {
    if (error instanceof Refused) throw new Violation(error.code, error.message);
    throw error;
  }
}

function refuse(refusal: Refusal | undefined): void {
  if (refusal !== undefined) throw new Refused(refusal.code, refusal.message);
}

/** A list of messages, each with a body. */
const UNREAD_DEPTH = JSON_MAX_DEPTH + 2;

/** A value that came out of an isolate, within the bounds on size and depth. */
function json(value: unknown, what: string, most: number, depth = JSON_MAX_DEPTH): { value: Json; bytes: number } {
  if (isDeeperThan(value, depth)) throw new Refused('CORRAL_JSON_UNSUPPORTED', `${what} nest deeper than ${JSON_MAX_DEPTH} levels.`);
  const bytes = Buffer.byteLength(depth === JSON_MAX_DEPTH ? canonical(value) : JSON.stringify(value));
  if (bytes > most)
    throw new Refused('CORRAL_EFFECT_TOO_LARGE', `${what} have ${bytes} bytes; at most ${most} may leave at once.`, 'message_bytes');
  return { value: value as Json, bytes };
}

export function exceeded(limit: Extract<Outcome, { kind: 'exceeded' }>['limit'], message: string): Outcome {
  return { kind: 'exceeded', limit, message };
}
