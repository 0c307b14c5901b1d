/** Runs the example fleet on a host and keeps account: outcomes, expected outcomes, latencies. */
import { join } from 'node:path';
import type { FleetMember } from '@corral/examples/fleet';
import { CorralError } from '@corral/protocol/errors';
import type { PrincipalId, RunId, TenantId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { Observation, RunView, Supervisor } from '@corral/supervisor';
import { bundleAgent } from './bundle.ts';

export interface RunReport {
  readonly pass: string;
  readonly run: RunId;
  readonly agent: string;
  readonly tenant: string;
  readonly parent: RunId | null;
  readonly outcome: string;
  readonly expected: string;
  readonly ok: boolean;
  readonly limit_ms: number | null;
  /** Measured by the limit's own clock (CPU time for a limit on CPU), plus the time from there to the durable end of the run. */
  readonly ended_after_ms: number;
  readonly cpu_ms: number;
  readonly calls: number;
}

/** One pass of the crew. */
export interface Pass {
  readonly packages: number;
  /** Calls that were made and never answered. */
  readonly lost: number;
  /** From the call leaving its agent to the agent receiving the answer. */
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly took_ms: number;
}

/** How long the person takes to decide. */
const LOOK_MS = 100;

export class Fleet {
  readonly reports: RunReport[] = [];
  /** The crew's last report of its progress. */
  progress = { done: 0, total: 0 };
  readonly #supervisor: Supervisor;
  readonly #examples: string;
  readonly #open: ReadonlySet<string>;
  readonly #versions = new Map<string, AgentVersion>();
  readonly #members = new Map<string, FleetMember>();
  #pass = '';
  #crewTenant = '';
  #crew: RunId | undefined;
  #latencies: number[] = [];
  #lost = 0;
  /** Runs that wait for a person, and what for. */
  readonly #paused = new Map<RunId, string>();

  /** Whether agents are running; false while they are bundled. */
  get begun(): boolean {
    return this.#pass !== '';
  }

  /** @param open agents whose end nobody knows beforehand, so that any end is as expected */
  constructor(supervisor: Supervisor, examples: string, open: ReadonlySet<string> = new Set()) {
    this.#supervisor = supervisor;
    this.#examples = examples;
    this.#open = open;
    supervisor.observe((observation) => this.#observe(observation));
  }

  /** Bundles and deploys every member. */
  async deploy(members: readonly FleetMember[]): Promise<void> {
    const bundles = await Promise.all(members.map((member) => bundleAgent(join(this.#examples, member.file))));
    const manifests = await this.#supervisor.describe(bundles.map((bundle) => bundle.describing));
    for (const [i, member] of members.entries()) {
      const [version] = await this.#supervisor.deploy(member.tenant as TenantId, bundles[i]?.source ?? '', manifests[i]);
      if (version === undefined) throw new CorralError('CORRAL_INTERNAL', `${member.file} defines no agent.`);
      this.#versions.set(member.file, version);
      for (const agent of Object.keys(member.expected)) this.#members.set(agent, member);
    }
  }

  /** Runs the crew, with the others beside it, and waits for all. */
  async run(pass: string, crew: FleetMember, others: readonly FleetMember[]): Promise<Pass> {
    this.#pass = pass;
    this.#crewTenant = crew.tenant;
    this.#latencies = [];
    this.#lost = 0;
    this.progress = { done: 0, total: 0 };
    const began = performance.now();
    const ends: Promise<Outcome>[] = [];
    for (const member of [crew, ...others]) {
      const version = this.#versions.get(member.file);
      if (version === undefined) throw new CorralError('CORRAL_INTERNAL', `${member.file} was not deployed.`);
      const { id, ended } = await this.#supervisor.submit({
        tenant: member.tenant as TenantId,
        version,
        input: member.input,
        principal: 'local' as PrincipalId,
      });
      if (member === crew) this.#crew = id;
      ends.push(ended);
    }
    const [outcome] = await Promise.all(ends);
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    const output = outcome?.kind === 'completed' ? (outcome.output as { packages?: readonly unknown[] }) : {};
    return {
      packages: output.packages?.length ?? 0,
      lost: this.#lost,
      p50_ms: at(0.5),
      p99_ms: at(0.99),
      took_ms: performance.now() - began,
    };
  }

  #observe(observation: Observation): void {
    if (observation.kind === 'answered') {
      if (observation.ms !== undefined && this.#isCrew(observation.run)) this.#latencies.push(observation.ms);
    } else if (observation.kind === 'emitted' && observation.run === this.#crew && observation.event === 'progress') {
      this.progress = observation.data as Fleet['progress'];
    } else if (observation.kind === 'step' && observation.step === 'pause') {
      this.#paused.set(observation.run, `paused(${observation.detector})`);
      void this.#look(observation.run);
    } else if (observation.kind === 'ended') {
      const report = this.#report(observation.view, observation.outcome);
      this.reports.push(report);
      if (this.#members.get(observation.view.agent)?.tenant === this.#crewTenant && report.ok) this.#lost += observation.view.open_calls;
    }
  }

  /** Acts for a person: looks at a paused run, sees the finding, and kills it. */
  async #look(run: RunId): Promise<void> {
    // Waits, so that all runs of a finding are paused before the first of them is killed.
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    await this.#supervisor.control.kill(run, 'fleet', 'it was paused for a person').catch(() => undefined);
  }

  #isCrew(run: RunId): boolean {
    return this.#supervisor.view(run)?.tenant === this.#crewTenant;
  }

  #report(view: RunView, outcome: Outcome): RunReport {
    const member = this.#members.get(view.agent);
    const text = (outcome.kind === 'killed' ? this.#paused.get(view.id) : undefined) ?? outcomeText(outcome);
    const expected = this.#open.has(view.agent) ? text : (member?.expected[view.agent] ?? 'completed');
    return {
      pass: this.#pass,
      run: view.id,
      agent: view.agent,
      tenant: view.tenant,
      parent: view.parent ?? null,
      outcome: text,
      expected,
      ok: text === expected,
      limit_ms: member?.limit_ms ?? null,
      ended_after_ms: Math.round(text === 'exceeded(wall)' ? view.age_ms : view.crank_age_ms),
      cpu_ms: Math.round(view.cpu_ms),
      calls: view.calls,
    };
  }
}
