/**
 * What is watched for loops, and by what measure: what each tenant says about its agents, what agents usually do, and which of their
 * versions rest because too many of their runs failed. Nothing here concerns a run that is in memory; see loops.ts.
 */
import type { AdmissionGate } from '@corral/broker/effects/batch';
import { RunDetectors } from '@corral/broker/ledger/detectors';
import type { LadderLayers } from '@corral/policy/detection/ladder';
import type { Finding } from '@corral/policy/detection/list';
import type { TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { RunRecord } from '@corral/protocol/model/run';
import { AgentBreakers, type AgentBreaker } from './agent-breakers.ts';
import type { Tell } from '../events/observation.ts';
import type { Profiles } from './profiles.ts';

/** What a tenant says about its agents; what is left out is as everywhere. */
export interface LoopOptions extends LadderLayers {
  /** How long a run that is slowed waits between two cranks. */
  readonly slow_ms?: number;
  /** Agents whose runs keep failing rest for a while; without it, none does. */
  readonly breaker?: AgentBreaker;
}

/** Share of what speaks for being stuck that must be real repeats, and how sure the rest makes one. */
const REPEATED = 0.5;
const ALIKE_SURE = 0.44;
export function tempered(finding: Finding): Finding {
  if (finding.detector !== 'stuck' || (finding.evidence.figures['repeated'] ?? 1) >= REPEATED) return finding;
  return { ...finding, confidence: Math.min(finding.confidence, ALIKE_SURE) };
}

export interface WatchingOptions {
  readonly clock: Clock;
  /** What a tenant wants; undefined: its runs are not watched. */
  readonly settings: (tenant: TenantId) => LoopOptions | undefined;
  /** What agents usually do, by which it is judged whether their runs drift. */
  readonly profiles: Profiles | undefined;
  readonly tell: Tell;
}

export class Watching implements AdmissionGate {
  readonly #options: WatchingOptions;
  /** Agents whose runs keep failing. */
  readonly breakers: AgentBreakers;

  constructor(options: WatchingOptions) {
    this.#options = options;
    this.breakers = new AgentBreakers(options.clock, (tenant) => options.settings(tenant)?.breaker, options.tell);
  }

  readonly rests = (tenant: TenantId, version: string): string | undefined => this.breakers.refusal(tenant, version);
  readonly profile = (tenant: TenantId, agent: string): string | undefined => this.#options.profiles?.current(tenant, agent);

  /** What a tenant wants; undefined: its runs are not watched. */
  settings(tenant: TenantId): LoopOptions | undefined {
    return this.#options.settings(tenant);
  }

  /** What a run is watched by; undefined where nobody watches it. A profile that was deleted judges nobody. */
  watch({ tenant, profile }: RunRecord): RunDetectors | undefined {
    const { settings, profiles } = this.#options;
    if (settings(tenant) === undefined) return undefined;
    return new RunDetectors(profile === undefined ? undefined : profiles?.get(profile));
  }
}
