/** Decides a spawn: whether the child may be created, with what authority and what part of the purse. */
import { targetName } from '@corral/policy/capability/grants';
import type { Decision } from '@corral/protocol/model/decision';
import type { SpawnEffect } from '@corral/protocol/wire/effect';
import type { Grant } from '@corral/protocol/model/grant';
import { newId, type PrincipalId, type RunId } from '@corral/protocol/ids';
import { atMost, BUDGET_NAMES, BUDGETS, DEFAULT_CEILINGS, MACHINE, SPAWN_BUDGET, type BudgetName } from '@corral/protocol/limits';
import type { AgentManifest, Budget } from '@corral/protocol/model/manifest';
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
  const spawns = context.agent(record.agent)?.manifest.spawns ?? [];
  // Resolved first: a forged index ends the run, even if the spawn is invalid for other reasons.
  const slots = slotsOf(ledger, effect.caps, context);
  const handles = slotted(ledger.handles, effect, ['input']);
  const version = spawns.includes(effect.agent) ? context.agent(effect.agent) : undefined;
  if (version === undefined) throw new Refused('CORRAL_AGENT_UNKNOWN', `${record.agent} does not name ${effect.agent} in its spawns.`);
  const child = version.manifest;
  if (record.spawn_depth >= record.ceilings.spawn_depth) {
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `A child of this run would be generation ${record.spawn_depth + 1}.`, 'spawn_depth');
  }
  if (ledger.caps.size >= MACHINE.capabilities.default) {
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `The run holds ${ledger.caps.size} capabilities already.`, 'capabilities');
  }
  const { value: input, bytes } = json(effect.input ?? null, 'The input of the child', record.ceilings.message_bytes - heldBytes(handles));

  const id = newId('run', context.random);
  const { caps, grants } = handedOver(effect, child.uses, slots, id, context);

  const budget = share(ledger, { ...child.budget, ...effect.budget });
  const reserved = { ...budget, children: budget.children + 1 };
  afford(ledger, reserved);
  const handed = { kind: 'spawn', agent: child.name, value: input, bytes, slots, budget } as const;
  const judged = permitted(context.policies, ledger, handed, context.now, batch);
  // Checked last: if an agent's breaker is half open, asking counts as its trial run, which must not then be refused for another reason.
  const rests = context.standing?.rests({ id, tenant: record.tenant, version: version.version });
  if (rests !== undefined) throw new Refused('CORRAL_AGENT_RESTS', rests);

  const profile = context.standing?.profile(record.tenant, effect.agent);
  const own: Grant = {
    id: newId('grant', context.random),
    parent: undefined,
    holder: id,
    target: { kind: 'mailbox', run: id, agent: child.name },
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
    submitter: record.submitter ?? record.principal,
    ...(record.who === undefined ? {} : { who: record.who }),
    parent: { run: record.id, id: effect.id, agent: record.agent },
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
  return { id: effect.id, verdict: 'allow', child: id, grant: forParent.id, reserved, ...judged };
}

/** The capabilities of the child `id`, each derived from one of its parent's. @throws Refused */
function handedOver(
  effect: SpawnEffect,
  uses: AgentManifest['uses'],
  slots: ReturnType<typeof slotsOf>,
  id: RunId,
  context: DecideContext,
): { readonly caps: RunRecord['caps'][number][]; readonly grants: Grant[] } {
  const caps: RunRecord['caps'][number][] = [];
  const grants: Grant[] = [];
  for (const { alias, terms, from } of slots) {
    const wanted = uses[alias];
    if (wanted === undefined) throw new Refused('CORRAL_ARGS_INVALID', `${effect.agent} does not use a capability called ${alias}.`);
    if (wanted !== targetName(from.target))
      throw new Refused('CORRAL_ARGS_INVALID', `${effect.agent} uses ${alias} as ${wanted}, and was offered ${targetName(from.target)}.`);
    const made = context.grants.derive(from.id, newId('grant', context.random), id, terms, context.now);
    if ('code' in made) throw new Refused(made.code, made.message);
    grants.push(made);
    caps.push({ alias, cap: caps.length + 1, grant: made.id });
  }
  for (const alias of Object.keys(uses)) {
    if (!(alias in effect.caps))
      throw new Refused('CORRAL_CAP_NOT_GRANTED', `${effect.agent} uses ${alias}, and the spawn does not give it.`);
  }
  return { caps, grants };
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
