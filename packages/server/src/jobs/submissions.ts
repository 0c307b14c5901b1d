/**
 * Takes jobs in. The run id of a job with an idempotency key is computed from the key, so the store itself refuses a second run
 * for it, whenever this process crashed.
 */
import { createHmac, hash } from 'node:crypto';
import { CorralError } from '@corral/protocol/errors';
import { newId, type PrincipalId, type RunId, type TenantId } from '@corral/protocol/ids';
import { canonical, isDeeperThan, JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';
import type { Attenuation } from '@corral/protocol/model/grant';
import type { AgentVersion, Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { Clock, Random } from '@corral/protocol/ports/machine';
import { looksUnfit } from './misfit.ts';
import { checkInput, type People } from '@corral/supervisor';
import { keptOf } from '@corral/telemetry/caller';
import { allowedOf } from './allowance.ts';
import type { InForce } from '../config/in-force.ts';
import { TooSoon } from '../people/rate.ts';
import type { HostPort } from '../ports.ts';
import { listed } from './listed.ts';
import type { Projection } from './projection.ts';
import type { AgentRegistry, FrontStore, RunIndex, RunRow } from '@corral/protocol/ports/front';
import type { Fork } from '../evidence/upkeep.ts';

export interface Submission {
  readonly tenant: TenantId;
  readonly agent: string;
  readonly input: Json;
  readonly ceilings?: CeilingsRequest;
  readonly budget?: Budget;
  /** Narrows what the agent uses, by alias. */
  readonly grants?: Readonly<Record<string, Attenuation>>;
}

const QUEUE_RETRY_S = 5;

export interface SubmissionsOptions {
  readonly host: HostPort;
  readonly db: FrontStore;
  readonly registry: AgentRegistry;
  readonly index: RunIndex;
  readonly projection: Projection;
  readonly config: InForce;
  readonly clock: Clock;
  readonly random: Random;
  readonly draining: () => boolean;
  readonly people: People;
}

export class Submissions {
  readonly #options: SubmissionsOptions;
  readonly #secret: string;
  /** Keyed jobs that are being submitted: a second request with the same key waits for the first. */
  readonly #underway = new Map<string, Promise<unknown>>();

  constructor(options: SubmissionsOptions) {
    this.#options = options;
    const { db, random } = options;
    const known = db.meta('submission_secret');
    this.#secret = known ?? Buffer.from(random(32)).toString('hex');
    if (known === undefined) db.durably(() => db.setMeta('submission_secret', this.#secret));
  }

  /**
   * @param version of an agent that belongs to the host and is in no registry
   * @param traceparent of the request; not part of the job, so a request that is sent again with another one is the same job
   * @param principal the submitter; keys of different principals are different keys
   * @throws CORRAL_IDEMPOTENCY_MISMATCH, CORRAL_QUEUE_FULL, CORRAL_TENANT_UNKNOWN, CORRAL_AGENT_UNKNOWN, CORRAL_VERSION_UNKNOWN,
   * CORRAL_INPUT_TOO_LARGE …
   */
  async submit(
    job: Submission,
    principal: string,
    key?: string,
    version?: AgentVersion,
    traceparent?: string,
  ): Promise<{ readonly run: RunId; readonly replayed: boolean }> {
    const { random } = this.#options;
    this.#mustTakeWork();
    if (isDeeperThan(job.input, JSON_MAX_DEPTH))
      throw new CorralError('CORRAL_INPUT_INVALID', `The input nests deeper than ${JSON_MAX_DEPTH} levels.`);
    if (key === undefined) {
      const run = newId('run', random);
      await this.#admit(run, job, principal, version, traceparent);
      return { run, replayed: false };
    }
    const digest = createHmac('sha256', this.#secret)
      .update(JSON.stringify([job.tenant, principal, key]))
      .digest();
    const run = newId('run', () => digest);
    while (this.#underway.has(run)) await this.#underway.get(run)?.catch(() => undefined);
    const work = this.#keyed(run, job, principal, version, traceparent);
    this.#underway.set(run, work);
    try {
      return { run, replayed: await work };
    } finally {
      this.#underway.delete(run);
    }
  }

  async #keyed(run: RunId, job: Submission, principal: string, version?: AgentVersion, traceparent?: string): Promise<boolean> {
    const { db, host, clock } = this.#options;
    const body = hash('sha256', canonical(job));
    const before = db.submissions.bodyOf(run);
    if (before !== undefined && before !== body)
      throw new CorralError('CORRAL_IDEMPOTENCY_MISMATCH', 'This Idempotency-Key was used before, for another request.');
    if ((await host.stored(run)) !== undefined) return true;
    if (before === undefined) db.submissions.add(run, body, clock.now());
    try {
      await this.#admit(run, job, principal, version, traceparent);
      return false;
    } catch (error) {
      // The job was refused as a whole, so its key may be used again.
      if ((await host.stored(run)) === undefined) db.submissions.remove(run);
      throw error;
    }
  }

  /**
   * Submits a fork of a run, as a job of the principal who forks.
   * @throws CORRAL_QUEUE_FULL, CORRAL_TENANT_UNKNOWN, CORRAL_FORK_IMPOSSIBLE, and the errors of submitting a job
   */
  async fork(origin: RunRow, at: number, principal: string, input: Json | undefined): Promise<Fork> {
    const { host, index, config, random, people } = this.#options;
    this.#mustTakeWork();
    this.#mustHaveRoom(origin.tenant as TenantId);
    const id = newId('run', random);
    const by = principal as PrincipalId;
    const more = { who: people.identity(principal), ...(input === undefined ? {} : { input }) };
    // Whether the fork is possible is found out late, so its admission is reported only once it exists.
    const place = this.#place(id, origin.tenant as TenantId, origin.agent, false);
    const made = await place.held(host.upkeep.fork({ id, run: origin.id as RunId, at, by, ...more }));
    const stored = await host.stored(id);
    if (stored !== undefined) index.add(listed(stored), config().version);
    place.written();
    return made;
  }

  async #admit(id: RunId, job: Submission, principal: string, own: AgentVersion | undefined, traceparent?: string): Promise<void> {
    const { host, registry, index, config, clock, people } = this.#options;
    const { tenant, agent, input } = job;
    const version = own ?? registry.resolve(tenant, agent);
    this.#mustHaveRoom(tenant);
    const { ceilings, budget, narrowed } = allowedOf(config().config, tenant, version.manifest, job);
    const by = principal as PrincipalId;
    const who = people.identity(principal);
    if (looksUnfit(version.manifest.input, input)) {
      const most = { ceilings, budget, narrowed };
      const refusal = await host.inputRefusal({ tenant, version, input: checkInput(input), principal: by, who, ...most });
      if (refusal !== undefined) throw new CorralError('CORRAL_INPUT_INVALID', refusal);
    }
    const place = this.#place(id, tenant, version.manifest.name, true);
    const grants = job.grants ?? {};
    const trace = keptOf(traceparent);
    await place.held(host.submit({ id, tenant, version, input, principal: by, who, ceilings, budget, grants, narrowed, trace }));
    const created_at = clock.now();
    index.add(
      { id, tenant, agent: version.manifest.name, version: version.version, parent: undefined, principal: by, created_at },
      config().version,
    );
    place.written();
  }

  /**
   * Why an agent refuses a job's input. The check is subject to the same limits as such a job, and is refused when the job would
   * be.
   * @throws CORRAL_INPUT_INVALID, CORRAL_INPUT_TOO_LARGE, CORRAL_QUARANTINED, CORRAL_DISK_FULL, CORRAL_SPEND_EXCEEDED
   */
  async inputRefusal({ tenant, agent, input }: Submission, principal: string): Promise<string | undefined> {
    const { host, registry, people } = this.#options;
    this.#mustTakeWork();
    const version = registry.resolve(tenant, agent);
    const most = allowedOf(this.#options.config().config, tenant, version.manifest, {});
    const who = people.identity(principal);
    return host.inputRefusal({ tenant, version, input: checkInput(input), principal: principal as PrincipalId, who, ...most });
  }

  /** @throws CORRAL_QUEUE_FULL, CORRAL_TENANT_UNKNOWN */
  #mustHaveRoom(tenant: TenantId): void {
    const { projection, config } = this.#options;
    const own = config().config.tenants[tenant];
    // Not CORRAL_QUEUE_FULL: a retry cannot succeed until the tenant is configured again.
    if (own === undefined)
      throw new CorralError('CORRAL_TENANT_UNKNOWN', `The configuration does not name tenant ${tenant} any more; no job is taken for it.`);
    const { queue } = own;
    if (projection.live(tenant) >= queue)
      throw new TooSoon('CORRAL_QUEUE_FULL', `${tenant} has ${queue} runs that have not ended, which is its limit.`, QUEUE_RETRY_S);
  }

  /**
   * Reserves one of a tenant's places for a run that is being submitted; a refusal releases it.
   * @param told whether the admission is reported now
   */
  #place(id: RunId, tenant: TenantId, agent: string, told: boolean) {
    const { projection } = this.#options;
    projection.expect(id, tenant, agent, told);
    return {
      held: async <T>(taken: Promise<T>): Promise<T> => {
        try {
          return await taken;
        } catch (error) {
          projection.refused(id, tenant);
          throw error;
        }
      },
      written: () => projection.admitted(id),
    };
  }

  /** @throws CORRAL_STOPPING */
  #mustTakeWork(): void {
    if (this.#options.draining()) throw new CorralError('CORRAL_STOPPING', 'This host is shutting down and takes no new work.');
  }
}
