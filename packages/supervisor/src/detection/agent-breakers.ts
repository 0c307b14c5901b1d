/**
 * Circuit breakers on agents, one for each tenant and version. While the runs of a version keep failing, new runs of it are refused, and so
 * are spawns; after a while a few are let through as probes. Runs that are under way go on. Breakers are kept in memory: after a restart
 * all are closed.
 */
import { admit, BREAKER_SETTINGS, CLOSED, settle, type Breaker, type BreakerSettings } from '@corral/policy/detection/breaker';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { Clock } from '@corral/protocol/ports/machine';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Observation, Resting } from '../events/observation.ts';

/** Settings of a tenant; AGENT_BREAKER has the defaults. */
export type AgentBreaker = { readonly [K in 'window' | 'least' | 'failed' | 'rest_ms' | 'rest_most_ms' | 'tries']?: number };

/**
 * Differs from the breakers on tools: runs cost more than calls and fail for more reasons, so more of them must fail, and the breaker stays
 * open longer. The duration of a run does not count.
 */
const AGENT_BREAKER: BreakerSettings = {
  ...BREAKER_SETTINGS,
  failed: 0.8,
  slow: 2,
  slow_ms: Number.POSITIVE_INFINITY,
  rest_ms: 30_000,
  rest_most_ms: 1_800_000,
  tries: 1,
};

/** A run that is admitted, or is to be. */
export type Newcomer = Pick<RunRecord, 'id' | 'tenant' | 'version'>;

interface Known {
  readonly tenant: TenantId;
  readonly agent: string;
  readonly version: string;
  breaker: Breaker;
  why: string;
  /** Runs that were let through as probes, and of which the breaker waits for one. */
  readonly probes: Set<RunId>;
  /** Probes that took so long that others were let through in their place. Their outcome still counts. */
  readonly late: Set<RunId>;
  /** When the last probe was let through, on the monotonic clock. */
  tried: number;
}

/**
 * Outcomes that count for or against an agent. A stop by a person or the host says nothing about it; nor does a limit, since how far a run
 * gets with its budget depends as much on its input.
 */
const JUDGED: ReadonlySet<Outcome['kind']> = new Set(['completed', 'failed', 'looped', 'diverged']);

export class AgentBreakers {
  readonly #known = new Map<string, Known>();
  readonly #clock: Clock;
  readonly #settings: (tenant: TenantId) => AgentBreaker | undefined;
  readonly #tell: (observation: Observation) => void;

  constructor(clock: Clock, settings: (tenant: TenantId) => AgentBreaker | undefined, tell: (observation: Observation) => void) {
    this.#clock = clock;
    this.#settings = settings;
    this.#tell = tell;
  }

  /**
   * Why a new run is refused now; undefined if it may begin. While the breaker is half open, the run is a probe then; if it does not begin
   * after all, the caller calls `neverBegan`.
   */
  refusal({ id, tenant, version }: Newcomer): string | undefined {
    const known = this.#known.get(keyOf(tenant, version));
    const settings = this.#of(tenant);
    if (known === undefined || settings === undefined) return undefined;
    const now = this.#clock.monotonic();
    const { breaker } = known;
    // A probe that does not end must not keep other runs out for ever.
    const stale = breaker.state === 'half_open' && now - known.tried >= settings.rest_ms;
    const { allowed, breaker: after } = admit(stale ? { ...breaker, trying: breaker.well } : breaker, now, settings);
    known.breaker = after;
    if (stale) {
      for (const probe of known.probes) known.late.add(probe);
      known.probes.clear();
    }
    if (allowed) {
      if (after.state === 'half_open') {
        known.probes.add(id);
        known.tried = now;
      }
      return undefined;
    }
    const left = after.state === 'open' ? `It is tried again in ${Math.ceil((after.until - now) / 1000)} s.` : 'One run is trying it now.';
    return `${known.agent} rests: ${known.why}. ${left}`;
  }

  /** Called if a run does not begin after all, or its end says nothing about its agent. If it was a probe, another one may be let through. */
  neverBegan({ id, tenant, version }: Newcomer): void {
    const known = this.#known.get(keyOf(tenant, version));
    if (known?.probes.delete(id) === true) known.breaker = withoutTry(known.breaker);
    else known?.late.delete(id);
  }

  /** @param narrowed whether the run was given less than its agent asks for; its failure does not count then (governance/judged.ts) */
  ended(
    { id, tenant, agent }: Pick<RunRecord, 'id' | 'tenant' | 'agent'>,
    version: RunRecord['version'],
    outcome: Outcome,
    narrowed = false,
  ): void {
    const key = keyOf(tenant, version);
    const settings = this.#of(tenant);
    if (settings === undefined) return void this.#known.delete(key);
    const before = this.#known.get(key);
    if (!JUDGED.has(outcome.kind) || (narrowed && outcome.kind !== 'completed')) return this.neverBegan({ id, tenant, version });
    const isProbe = before !== undefined && (before.probes.delete(id) || before.late.delete(id));
    const breaker = before?.breaker ?? CLOSED;
    // Runs that began before the breaker opened say nothing about the agent as it is now.
    if (breaker.state !== 'closed' && !isProbe) return;
    const ok = outcome.kind === 'completed';
    const after = settle(breaker, ok, 0, this.#clock.monotonic(), settings);
    if (after.state === 'closed' && after.failed === 0) this.#known.delete(key);
    else {
      const known = before ?? { tenant, agent, version, breaker, why: '', probes: new Set<RunId>(), late: new Set<RunId>(), tried: 0 };
      known.breaker = after;
      this.#known.set(key, known);
      if (after.state === 'open') {
        known.why = isProbe ? `the run that tried it ended as ${outcomeText(outcome)}` : whyOf(breaker, settings, outcome);
        known.probes.clear();
        known.late.clear();
        this.#tell({ kind: 'resting', ...this.#view(known) });
      }
    }
    if (breaker.state === 'half_open' && after.state === 'closed') this.#tell({ kind: 'rested', tenant, agent, version });
  }

  /** Versions whose breaker is open or half open. */
  resting(): Resting[] {
    return [...this.#known.values()].filter(({ breaker }) => breaker.state !== 'closed').map((known) => this.#view(known));
  }

  #view({ tenant, agent, version, why, breaker }: Known): Resting {
    const until = Math.round(this.#clock.now() + breaker.until - this.#clock.monotonic());
    return { tenant, agent, version, why, state: breaker.state === 'open' ? 'open' : 'half_open', until };
  }

  #of(tenant: TenantId): BreakerSettings | undefined {
    const own = this.#settings(tenant);
    return own && { ...AGENT_BREAKER, ...own };
  }
}

const withoutTry = (breaker: Breaker): Breaker => ({ ...breaker, trying: Math.max(breaker.well, breaker.trying - 1) });

const keyOf = (tenant: string, version: string) => `${tenant} ${version}`;

function whyOf(before: Breaker, { window }: BreakerSettings, last: Outcome): string {
  let failed = 1;
  for (let bits = before.failed & (2 ** (window - 1) - 1); bits !== 0; bits &= bits - 1) failed++;
  return `${failed} of its last ${Math.min(window, before.count + 1)} runs did not complete, the last as ${outcomeText(last)}`;
}
