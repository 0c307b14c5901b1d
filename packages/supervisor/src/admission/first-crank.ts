/**
 * Checks an input against the agent's input schema. The schema is code of the agent's author, which the host never runs. So the agent's
 * first crank runs in a disposable cell, and its effects are searched for a refusal and dropped.
 */
import { parseEffects } from '@corral/broker/effects/parse';
import { Ledger } from '@corral/broker/ledger/ledger';
import { Grants } from '@corral/policy/capability/grants';
import type { Digest, TenantId } from '@corral/protocol/ids';
import type { Clock, Random } from '@corral/protocol/ports/machine';
import type { RunHeader } from '@corral/protocol/model/run';
import type { Tool } from '@corral/protocol/ports/tool';
import { admit, type Job } from './admission.ts';
import type { Intake } from './intake.ts';
import type { BundleText } from '../cells/wire.ts';
import { REPLAY_FACTOR } from '../runs/segment.ts';
import { startOf } from '../runs/start.ts';
import type { TrialOptions, TrialResult } from '../offline/trial.ts';

export interface FirstCrankParts {
  readonly random: Random;
  readonly clock: Pick<Clock, 'now'>;
  readonly intake: Pick<Intake, 'mustTake'>;
  readonly bundles: { load(digest: Digest): Promise<BundleText> };
  readonly header: () => Promise<Omit<RunHeader, 'seed'>>;
  readonly offers: {
    tool(tenant: TenantId, name: string): Tool | undefined;
    from(tenant: TenantId, source: string): readonly Tool[];
    trial(options: TrialOptions): Promise<TrialResult>;
  };
}

/**
 * @returns why the agent refuses the input; undefined if it accepts the input, or if its first crank ends before the check
 * @throws the errors of `Intake.mustTake` and `admit`; CORRAL_CELL_START, CORRAL_RATE_LIMITED
 */
export async function inputRefusal(job: Job, parts: FirstCrankParts): Promise<string | undefined> {
  const { version, manifest, bundle: digest } = job.version;
  const { random, clock, intake, bundles, header, offers } = parts;
  // An agent that may not run (in quarantine, say) is not run for this check either.
  intake.mustTake({ ...job, agent: manifest.name, version });
  if (manifest.input === null) return undefined;
  const [bundle, runtime] = await Promise.all([bundles.load(digest), header()]);
  const at = clock.now();
  const { record, grants } = admit(job, {
    random,
    now: at,
    runtime,
    tool: (name) => offers.tool(job.tenant, name),
    from: (source) => offers.from(job.tenant, source),
  });
  const held = new Grants();
  for (const grant of grants) held.add(grant);
  const delivery = JSON.stringify({
    ...startOf(new Ledger(record, false), manifest, { grants: held, tool: (tenant, name) => offers.tool(tenant, name) }),
    at,
  });
  // The trial multiplies the recorded CPU time by REPLAY_FACTOR, so its limit becomes the ceiling of a crank.
  const cpu_us = (record.ceilings.crank_cpu_ms * 1000) / REPLAY_FACTOR;
  let effects: string | undefined;
  const entry = { seq: 1, at, delivery, effects: '[]', decisions: [], event: undefined, cpu_us };
  await offers.trial({ record, bundle, entries: [entry], onStep: (step) => (effects = step.effects) });
  const parsed = effects === undefined ? undefined : parseEffects(effects, record.ceilings);
  if (parsed === undefined || !('find' in parsed)) return undefined;
  const finish = parsed.find((effect) => effect.kind === 'finish');
  return finish?.error?.code === 'CORRAL_INPUT_INVALID' ? finish.error.message : undefined;
}
