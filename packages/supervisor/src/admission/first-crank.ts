/**
 * Whether an agent takes an input. Its schema is code of a stranger, which the host never runs; so the agent's own first crank is made
 * in a cell that is thrown away, and what it asks for is read and dropped.
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
import type { BundleText } from '../cells/cell.ts';
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
    trial(options: TrialOptions): Promise<TrialResult>;
  };
}

/**
 * @returns why the agent does not take the input; undefined where it takes it, or its first crank does not come to say so
 * @throws what `Intake.mustTake` and `admit` do; CORRAL_CELL_START, CORRAL_RATE_LIMITED
 */
export async function inputRefusal(job: Job, parts: FirstCrankParts): Promise<string | undefined> {
  const { version, manifest, bundle: digest } = job.version;
  const { random, clock, intake, bundles, header, offers } = parts;
  // What may not run is not run to find out whether it would take an input.
  intake.mustTake({ ...job, agent: manifest.name, version });
  if (manifest.input === null) return undefined;
  const [bundle, runtime] = await Promise.all([bundles.load(digest), header()]);
  const at = clock.now();
  const { record, grants } = admit(job, { random, now: at, runtime, tool: (name) => offers.tool(job.tenant, name) });
  const held = new Grants();
  for (const grant of grants) held.add(grant);
  const delivery = JSON.stringify({ ...startOf(new Ledger(record, false), held), at });
  // As long as a first crank may take.
  const cpu_us = (record.ceilings.crank_cpu_ms * 1000) / REPLAY_FACTOR;
  let effects: string | undefined;
  const entry = { seq: 1, at, delivery, effects: '[]', decisions: [], event: undefined, cpu_us };
  await offers.trial({ record, bundle, entries: [entry], onStep: (step) => (effects = step.effects) });
  const parsed = effects === undefined ? undefined : parseEffects(effects, record.ceilings);
  if (parsed === undefined || !('find' in parsed)) return undefined;
  const finish = parsed.find((effect) => effect.kind === 'finish');
  return finish?.error?.code === 'CORRAL_INPUT_INVALID' ? finish.error.message : undefined;
}
