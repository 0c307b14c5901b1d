/** Decides a spawn: whether the child may be created, with what authority and what part of the purse. */
import { targetName } from '@corral/policy/capability/grants';
import type { Decision } from '@corral/protocol/model/decision';
import type { SpawnEffect } from '@corral/protocol/wire/effect';
import type { Grant } from '@corral/protocol/model/grant';
import { newId, sourceIn, type AgentName, type Digest, type PrincipalId, type RunId } from '@corral/protocol/ids';
import { atMost, BUDGET_NAMES, BUDGETS, DEFAULT_CEILINGS, MACHINE, SPAWN_BUDGET, type BudgetName } from '@corral/protocol/limits';
import { JsonSchema, type AgentManifest, type Budget } from '@corral/protocol/model/manifest';
import type { RunRecord } from '@corral/protocol/model/run';
import { carriedHandles, heldBytes, slotted } from '../ledger/handles.ts';
import { permitted } from '../policies/evaluate-delegation.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { type Batch } from './batch.ts';
import { afford, json, labelOf, slotsOf } from './common.ts';
import { Refused } from './refused.ts';
import type { DecideContext } from './context.ts';

export function decideSpawn(ledger: Ledger, effect: SpawnEffect, context: DecideContext, batch: Batch): Decision {
  const { record } = ledger;
  // Resolved first: a forged index ends the run, even if the spawn is invalid for other reasons.
  const slots = slotsOf(ledger, effect.caps, context);
  const handles = slotted(ledger.handles, effect, ['input']);
  const program = programIn(ledger, effect, context);
  const child = program === undefined ? agentOf(ledger, effect, context) : asProgram(ledger);
  if (record.spawn_depth >= record.ceilings.spawn_depth) {
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `A child of this run would be generation ${record.spawn_depth + 1}.`, 'spawn_depth');
  }
  if (ledger.caps.size >= MACHINE.capabilities.default) {
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `The run holds ${ledger.caps.size} capabilities already.`, 'capabilities');
  }
  const most = record.ceilings.message_bytes - heldBytes(handles);
  const { value: input, bytes } = json(effect.input ?? null, 'The input of the child', most);

  const id = newId('run', context.random);
  const { caps, grants } = handedOver(effect, child.uses, slots, id, context);

  const budget = share(ledger, { ...child.budget, ...effect.budget });
  const reserved = { ...budget, children: budget.children + 1 };
  afford(ledger, reserved);
  const handed = { kind: 'spawn', agent: effect.agent, value: input, bytes, slots, budget, ...(program && { program }) } as const;
  const judged = permitted(context.policies, ledger, handed, context.now, batch);
  // Checked last: if an agent's breaker is half open, asking counts as its trial run, which must not then be refused for another reason.
  const rests = context.standing?.rests({ id, tenant: record.tenant, version: child.version });
  if (rests !== undefined) throw new Refused('CORRAL_AGENT_RESTS', rests);

  // A program is another one each time, so there is nothing that it could drift from.
  const profile = program === undefined ? context.standing?.profile(record.tenant, effect.agent) : undefined;
  const { own, forParent } = mailboxOf(id, effect.agent, record.id, context);
  for (const grant of [own, forParent, ...grants]) {
    batch.grants.push(grant);
    context.grants.add(grant);
  }
  batch.spawned.push({
    id,
    tenant: record.tenant,
    agent: effect.agent,
    version: child.version,
    ...labelOf(ledger),
    bundle: child.bundle,
    ...(program && { program }),
    principal: `run:${record.id}` as PrincipalId,
    submitter: record.submitter ?? record.principal,
    ...(record.who === undefined ? {} : { who: record.who }),
    parent: { run: record.id, id: effect.id, agent: record.agent },
    root: record.root ?? record.parent?.run ?? record.id,
    spawn_depth: record.spawn_depth + 1,
    ...(ledger.depth === 0 ? {} : { depth: ledger.depth }),
    ...(ledger.hops === 0 ? {} : { hops: ledger.hops }),
    input,
    ...carriedHandles(handles),
    header: { ...record.header, seed: Buffer.from(context.random(32)).toString('hex') },
    // A child's ceilings never exceed its parent's.
    ceilings: atMost({ ...DEFAULT_CEILINGS, ...child.ceilings }, record.ceilings),
    budget,
    caps: [{ alias: '', cap: 0, grant: own.id }, ...caps],
    created_at: context.now,
    ...(profile === undefined ? {} : { profile }),
  });
  return {
    id: effect.id,
    verdict: 'allow',
    child: id,
    grant: forParent.id,
    reserved,
    ...(program && { program: program.digest }),
    ...judged,
  };
}

/** The grants of a child's mailbox: its own, and that of its parent. */
function mailboxOf(
  id: RunId,
  agent: AgentName,
  parent: RunId,
  { random }: DecideContext,
): { readonly own: Grant; readonly forParent: Grant } {
  const own: Grant = {
    id: newId('grant', random),
    parent: undefined,
    holder: id,
    target: { kind: 'mailbox', run: id, agent },
    where: {},
    uses: undefined,
    expires_at: undefined,
    depth: 0,
  };
  return { own, forParent: { ...own, id: newId('grant', random), parent: own.id, holder: parent, depth: 1 } };
}

/** The code of a child, with the requests of its author. */
interface ChildCode {
  readonly version: Digest;
  readonly bundle: Digest;
  /** Undefined for a program, which takes what it is handed under any name. */
  readonly uses: AgentManifest['uses'] | undefined;
  readonly budget: Budget;
  readonly ceilings: AgentManifest['ceilings'];
}

/** @throws Refused if the run's agent may not spawn that one */
function agentOf({ record }: Ledger, { agent }: SpawnEffect, context: DecideContext): ChildCode {
  const spawns = context.agent(record.agent)?.manifest.spawns ?? [];
  const found = spawns.includes(agent) ? context.agent(agent) : undefined;
  if (found === undefined) throw new Refused('CORRAL_AGENT_UNKNOWN', `${record.agent} does not name ${agent} in its spawns.`);
  const { uses, budget, ceilings } = found.manifest;
  return { version: found.version, bundle: found.bundle, uses, budget, ceilings };
}

/** A program counts as its agent's own act, so that what stops or bounds the agent holds for it as well. */
const asProgram = ({ version, bundle }: Ledger): ChildCode => ({ version, bundle, uses: undefined, budget: {}, ceilings: {} });

/** The program that the child is to run, checked; undefined for an agent of the bundle. @throws Refused */
function programIn({ record }: Ledger, { agent, program }: SpawnEffect, context: DecideContext): RunRecord['program'] {
  if (program === undefined) return undefined;
  if (agent !== record.agent || context.agent(agent)?.manifest.code !== true)
    throw new Refused(
      'CORRAL_CODE_NOT_ASKED',
      record.program === undefined ? `${record.agent} does not ask to run programs.` : 'A program may not run another one.',
    );
  const bytes = Buffer.byteLength(program.source);
  if (bytes > MACHINE.program_bytes.default)
    throw new Refused('CORRAL_EFFECT_TOO_LARGE', `The program has ${bytes} bytes; at most ${MACHINE.program_bytes.default} are run.`);
  const output = JsonSchema.nullable().safeParse(program.output);
  if (!output.success)
    throw new Refused('CORRAL_SCHEMA_INVALID', `The output schema of the program ${output.error.issues[0]?.message ?? 'is invalid'}.`);
  return { source: program.source, digest: context.digest(program.source) as Digest, output: output.data };
}

/** The capabilities of the child `id`, each derived from one of its parent's. @throws Refused */
function handedOver(
  effect: SpawnEffect,
  uses: ChildCode['uses'],
  slots: ReturnType<typeof slotsOf>,
  id: RunId,
  context: DecideContext,
): { readonly caps: RunRecord['caps'][number][]; readonly grants: Grant[] } {
  const caps: RunRecord['caps'][number][] = [];
  const grants: Grant[] = [];
  for (const { alias, terms, from } of slots) {
    if (uses !== undefined) mustBeWanted(effect.agent, uses, alias, targetName(from.target));
    const made = context.grants.derive(from.id, newId('grant', context.random), id, terms, context.now);
    if ('code' in made) throw new Refused(made.code, made.message);
    grants.push(made);
    caps.push({ alias, cap: caps.length + 1, grant: made.id });
  }
  const given = Object.keys(effect.caps);
  for (const [alias, wanted] of Object.entries(uses ?? {})) {
    const isSource = sourceIn(wanted) !== undefined;
    // One tool of a source is enough.
    if (!given.some((one) => one === alias || (isSource && one.startsWith(`${alias}.`))))
      throw new Refused('CORRAL_CAP_NOT_GRANTED', `${effect.agent} uses ${alias}, and the spawn does not give it.`);
  }
  return { caps, grants };
}

/** Gives the alias of a server and the name of its tool: `crm.search`. */
const split = (alias: string): readonly [of: string, member: string | undefined] => {
  const dot = alias.indexOf('.');
  return dot < 0 ? [alias, undefined] : [alias.slice(0, dot), alias.slice(dot + 1)];
};

/** @throws Refused unless the agent asks for that target under that name */
function mustBeWanted(agent: string, uses: NonNullable<ChildCode['uses']>, alias: string, offered: string): void {
  const [of = '', member] = split(alias);
  const wanted = uses[of];
  const server = sourceIn(wanted ?? '');
  if (member !== undefined && server !== undefined && offered === `tool:${server}.${member}`) return;
  if (wanted === undefined) throw new Refused('CORRAL_ARGS_INVALID', `${agent} does not use a capability called ${alias}.`);
  if (wanted !== offered) throw new Refused('CORRAL_ARGS_INVALID', `${agent} uses ${alias} as ${wanted}, and was offered ${offered}.`);
}

/**
 * The child's budget: amounts that are named must be available; for the others there are defaults, as far as available. The default for
 * CPU time is at most half of what is left, since a parent without any would end at its own next crank.
 */
function share(ledger: Ledger, named: Budget): Record<BudgetName, number> {
  const spare = (name: BudgetName) => Math.floor(name === 'cpu_ms' ? ledger.purse.left(name) / 2 : ledger.purse.left(name));
  return Object.fromEntries(
    BUDGET_NAMES.map((name) => [name, named[name] ?? Math.max(BUDGETS[name].min, Math.min(SPAWN_BUDGET[name], spare(name)))]),
  ) as Record<BudgetName, number>;
}
