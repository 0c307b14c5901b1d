/**
 * The settings by which runs are watched: each tenant's options, the profiles of agents, and the breakers of versions whose runs keep
 * failing. The part that handles runs in memory is loops.ts.
 */
import { RunDetectors } from '@corral/broker/ledger/detectors';
import type { LadderLayers } from '@corral/policy/detection/ladder';
import type { Finding } from '@corral/policy/detection/list';
import type { TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { RunRecord } from '@corral/protocol/model/run';
import { AgentBreakers, type AgentBreaker, type Newcomer } from './agent-breakers.ts';
import type { Tell } from '../events/observation.ts';
import type { Profiles } from './profiles.ts';
import type { AdmissionGate } from '@corral/broker/effects/context';

/** A tenant's options; what is left out has the default of all tenants. */
export interface LoopOptions extends LadderLayers {
  /** How long a run that is slowed waits between two cranks. Milliseconds. */
  readonly slow_ms?: number;
  /** Settings of the breaker on agent versions; without them there is none. */
  readonly breaker?: AgentBreaker;
}

/** If a smaller share of the evidence for `stuck` is exact repeats, the rest being merely alike, its confidence is at most ALIKE_SURE. */
const REPEATED = 0.5;
const ALIKE_SURE = 0.44;
/** Caps the confidence of a finding whose evidence is weak. */
export function tempered(finding: Finding): Finding {
  if (finding.detector !== 'stuck' || (finding.evidence.figures['repeated'] ?? 1) >= REPEATED) return finding;
  return { ...finding, confidence: Math.min(finding.confidence, ALIKE_SURE) };
}

export interface WatchingOptions {
  readonly clock: Clock;
  /** Options of a tenant; undefined if its runs are not watched. */
  readonly settings: (tenant: TenantId) => LoopOptions | undefined;
  /** Profiles with which the drift detector compares runs. */
  readonly profiles: Profiles | undefined;
  readonly tell: Tell;
}

export class Watching implements AdmissionGate {
  readonly #options: WatchingOptions;
  /** Circuit breakers of agent versions. */
  readonly breakers: AgentBreakers;

  constructor(options: WatchingOptions) {
    this.#options = options;
    this.breakers = new AgentBreakers(options.clock, (tenant) => options.settings(tenant)?.breaker, options.tell);
  }

  readonly rests = (run: Newcomer): string | undefined => this.breakers.refusal(run);
  readonly neverBegan = (run: Newcomer): void => this.breakers.neverBegan(run);
  readonly profile = (tenant: TenantId, agent: string): string | undefined => this.#options.profiles?.current(tenant, agent);

  /** Options of a tenant; undefined if its runs are not watched. */
  settings(tenant: TenantId): LoopOptions | undefined {
    return this.#options.settings(tenant);
  }

  /** Detectors of a run; undefined if it is not watched. If its profile was deleted, they do not compare it with one. */
  watch({ tenant, profile }: RunRecord): RunDetectors | undefined {
    const { settings, profiles } = this.#options;
    if (settings(tenant) === undefined) return undefined;
    return new RunDetectors(profile === undefined ? undefined : profiles?.get(profile));
  }
}
