/**
 * Profiles of agents: learned from approved runs, shown, deleted. A person starts each learning and is recorded. Approved are the
 * runs that this person names, or else the completed runs against which nothing was found.
 */
import { emptyProfile, learn, type Profile } from '@corral/policy/detection/profile';
import { viewOf } from '@corral/policy/detection/profile-view';
import { CorralError } from '@corral/protocol/errors';
import type { AgentName, Digest, RunId, TenantId } from '@corral/protocol/ids';
import type { ServerContext } from '../context.ts';
import type { ProfileRow } from '../../jobs/profiles.ts';
import type { RunRow } from '@corral/protocol/ports/front';
import { breathe } from '../../evidence/serial-queue.ts';
import { tried } from '../tried.ts';
import type { Handlers } from './handler.ts';

/** Runs that are examined, newest first, to find approved ones. */
const LOOKED_AT = 2000;

/** Finds the latest approved runs of an agent, and says of others why they were left out. */
function approver(door: ServerContext) {
  const { host, marks, reads } = door;

  /** Why a run is not approved unless a person names it. */
  const against = async (row: RunRow): Promise<string | undefined> => {
    const said = marks.of(row.id);
    if (said.some(({ verdict }) => verdict === 'confirmed')) return 'it was marked as bad';
    const stored = await host.stored(row.id as RunId).catch(() => undefined);
    if (stored === undefined) return 'it cannot be read';
    if (stored.record.origin !== undefined) return 'it is a fork';
    const cleared = new Set(said.map(({ detector }) => detector));
    const peaks = await host.peaks(row.id as RunId).catch((error: unknown) => {
      if (error instanceof CorralError && error.code === 'CORRAL_JOURNAL_DAMAGED') return undefined;
      throw error;
    });
    if (peaks === undefined) return 'its journal is damaged';
    const open = peaks.find(({ finding, step }) => step !== null && !cleared.has(finding.detector));
    return open && `${open.finding.detector} found something in it, and nobody marked that as a false alarm`;
  };

  return async (tenant: string, agent: string, last: number) => {
    const approved: RunRow[] = [];
    const left_out: { run: RunId; why: string }[] = [];
    let cursor: string | undefined;
    for (let looked = 0; looked < LOOKED_AT && approved.length < last;) {
      const { rows, next } = await reads.runs({ tenant, agent: [agent], ended_as: ['completed'], cursor, limit: 100 });
      for (const row of rows) {
        if (approved.length === last) break;
        // The index matches names exactly, and outcomes only by prefix.
        if (row.ended_as !== 'completed') continue;
        const why = await against(row);
        if (why === undefined) approved.push(row);
        else left_out.push({ run: row.id as RunId, why });
      }
      looked += rows.length;
      if (next === null) break;
      cursor = next;
    }
    return { approved, left_out };
  };
}

/** Runs that a person names. @throws CORRAL_RUN_UNKNOWN, and CORRAL_RUN_STATE for one that nobody could approve */
const named = ({ index, marks }: ServerContext, tenant: string, agent: string, runs: readonly string[]): RunRow[] =>
  [...new Set(runs)].map((run) => {
    const row = index.get(run);
    if (row === undefined || row.tenant !== tenant) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run} here.`);
    if (row.agent !== agent) throw new CorralError('CORRAL_RUN_STATE', `${run} is a run of ${row.agent}, not of ${agent}.`);
    if (row.ended_as !== 'completed')
      throw new CorralError(
        'CORRAL_RUN_STATE',
        `${run} is not approved: it ${row.ended_as === null ? 'has not ended' : `ended as ${row.ended_as}`}.`,
      );
    if (marks.of(run).some(({ verdict }) => verdict === 'confirmed'))
      throw new CorralError('CORRAL_RUN_STATE', `${run} is not approved: it was marked as bad.`);
    return row;
  });

const learned = async ({ host }: ServerContext, agent: string, approved: RunRow[]): Promise<Profile> => {
  if (approved.length === 0)
    throw new CorralError('CORRAL_RUN_STATE', `No run of ${agent} is approved: each that completed has something against it.`);
  const profile = emptyProfile();
  // Oldest first, in the order in which they ran.
  for (const row of approved.sort((a, b) => a.n - b.n)) {
    const calls = await host.lesson(row.id as RunId);
    if (calls === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${row.id} here.`);
    await breathe();
    learn(profile, calls);
  }
  return profile;
};

const profileView = ({ registry }: ServerContext, row: ProfileRow) => ({
  profile: row.id,
  tenant: row.tenant as TenantId,
  agent: row.agent as AgentName,
  learned_at: row.learned_at,
  learned_by: row.learned_by,
  reason: row.reason,
  runs: row.runs.map(({ run, version }) => ({ run: run as RunId, version: version as Digest })),
  own: row.runs.some(({ version }) => version === registry.show(row.tenant, row.agent).latest),
  tools: viewOf(row.profile).map((tool) => ({
    ...tool,
    after: [...tool.after],
    shapes: [...tool.shapes],
    arguments: tool.arguments.map((one) => ({ ...one, origins: [...one.origins], values: [...one.values] })),
  })),
});

export function profileRoutes(door: ServerContext): Handlers<'learnProfile' | 'showProfile' | 'deleteProfile'> {
  const { profiles, registry, feed, turns, clock, random } = door;
  const latest = approver(door);

  return {
    async learnProfile({ params, body }, { access, keep }) {
      const tenant = access.one('profile.write', body.tenant);
      const { agent } = params;
      registry.show(tenant, agent);
      const by = access.principal.id;
      const { approved, left_out, profile } = await turns.take(access.principal.tenant, async () => {
        const found =
          body.runs === undefined
            ? await latest(tenant, agent, body.last)
            : { approved: named(door, tenant, agent, body.runs), left_out: [] };
        return { ...found, profile: await learned(door, agent, found.approved) };
      });
      const made: ProfileRow = {
        id: `profile_${Buffer.from(random(6)).toString('hex')}`,
        tenant,
        agent,
        learned_at: clock.now(),
        learned_by: by,
        reason: body.reason,
        runs: approved.map(({ id, version }) => ({ run: id, version })),
        profile,
      };
      if (!body.dryRun) {
        door.db.durably(() => {
          profiles.keep(made);
          keep({ target: { agent, profile: made.id }, tenant, matched: made.runs.map(({ run }) => run) });
        });
        feed.tell('agent.profiled', { tenant, agent, data: { profile: made.id, runs: made.runs.length, by } });
      } else keep.skip();
      return { profile: profileView(door, made), left_out };
    },

    async showProfile({ params, query }, { access }) {
      const tenant = access.one('profile.read', query.tenant);
      registry.show(tenant, params.agent);
      const row = profiles.show(tenant, params.agent);
      if (row === undefined) throw new CorralError('CORRAL_PROFILE_UNKNOWN', `${params.agent} has no profile.`);
      return profileView(door, row);
    },

    async deleteProfile({ params, query }, { access, keep }) {
      const tenant = access.one('profile.write', query.tenant);
      const { agent } = params;
      const remove = () => {
        const gone = profiles.delete(tenant, agent);
        if (gone === 0) throw new CorralError('CORRAL_PROFILE_UNKNOWN', `${agent} has no profile.`);
        return gone;
      };
      if (query.dryRun) {
        keep.skip();
        return { agent, tenant, deleted: tried(door.db, remove) };
      }
      const deleted = door.db.durably(() => {
        const gone = remove();
        keep({ target: { agent, profiles: gone }, tenant });
        return gone;
      });
      return { agent, tenant, deleted };
    },
  };
}
