/**
 * Verifying, erasing, collecting, replaying, forking and backing up on a running host: permissions, tenants, and one after the
 * other.
 */
import { isAbsolute, join } from 'node:path';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { ServerContext } from '../context.ts';
import type { Channel } from '../../people/authenticate.ts';
import { unionOf } from '@corral/policy/flow/labels';
import type { Withheld } from '@corral/protocol/api/withheld';
import type { Label } from '@corral/protocol/model/label';
import { ofInput } from '../../evidence/labels.ts';
import { leftOf } from '../../evidence/memory-left.ts';
import { pagesOf } from '../../evidence/pages.ts';
import type { Reader } from '../../people/reader.ts';
import { retentionOf } from '../../evidence/retention.ts';
import type { Replay } from '../../evidence/upkeep.ts';
import { findRun, type Context, type Handlers } from './handler.ts';

type Names = 'logHead' | 'verifyJournals' | 'eraseRun' | 'collectGarbage' | 'replayRun' | 'forkRun' | 'upgradeRun' | 'makeBackup';

/** Entries of a journal that are read at a time. */
const PAGE = 200;

/** Name of a backup below the backup folder: no separators, and no leading dot. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

/**
 * The folder of a backup: a path for the owner of the socket, for others a name below the folder for backups.
 * @throws CORRAL_REQUEST_INVALID, CORRAL_FORBIDDEN
 */
function folderOf(to: string, channel: Channel, backups: string | undefined): string {
  if (isAbsolute(to)) {
    // The owner of the socket could write there without Corral; the holder of a token could not.
    if (channel.kind === 'socket') return to;
    throw new CorralError('CORRAL_FORBIDDEN', 'Over the network a backup is given a name, not a path; it is made below `backups`.');
  }
  if (!NAME.test(to))
    throw new CorralError('CORRAL_REQUEST_INVALID', `${JSON.stringify(to)} is neither an absolute path nor a plain name.`);
  if (backups === undefined)
    throw new CorralError(
      'CORRAL_REQUEST_INVALID',
      'The configuration names no folder for backups: set `backups`, or give an absolute path.',
    );
  return join(backups, to);
}

export function evidenceRoutes(door: ServerContext, channel: Channel): Handlers<Names> {
  const { errands, settings, submissions } = door;
  const { upkeep } = door.host;

  return {
    async logHead() {
      return upkeep.logHead();
    },

    async verifyJournals({ body }, { access }) {
      const tenant = access.some('evidence.verify', body.tenant);
      const run = body.run === undefined ? undefined : findRun(door, access, 'evidence.verify', body.run).id;
      const found = await errands.take(access.principal.tenant, () => upkeep.verify(run as never, tenant, body.head));
      const { damaged, log, ...counts } = found;
      return { ...counts, damaged: damaged.map((one) => ({ ...one })), log: { ...log, problems: log.problems.map((one) => ({ ...one })) } };
    },

    async eraseRun({ params, body }, { access, keep }) {
      const { tenant } = findRun(door, access, 'run.erase', params.run);
      const erased = await upkeep.erase(params.run, body.dryRun);
      const dropped = body.memory ? await door.memory.drop({ tenant, run: params.run }, body.dryRun) : undefined;
      const memory = dropped === undefined ? null : { entries: dropped.entries, bytes: dropped.bytes };
      const left = dropped && leftOf(dropped, params.run, `${params.run} is erased.`);
      if (body.dryRun) keep.skip();
      else keep({ tenant, matched: [params.run], target: { run: params.run, ...(memory && { memory }) }, refused: left?.refused ?? [] });
      if (left !== undefined) throw left.error;
      return { ...erased, memory, dryRun: body.dryRun };
    },

    async collectGarbage({ body }, { access, keep }) {
      const tenant = access.some('evidence.collect', body.tenant);
      const all = retentionOf(settings.inForce().config);
      const retention_ms = tenant === undefined ? all : Object.fromEntries(Object.entries(all).filter(([name]) => name === tenant));
      const freed = await errands.take(access.principal.tenant, () => upkeep.collect({ retention_ms, tenant }, body.dryRun));
      if (body.dryRun) keep.skip();
      else keep({ target: { ...freed, retention_ms: { ...retention_ms } }, tenant });
      return { ...freed, dryRun: body.dryRun, retention_ms };
    },

    async replayRun({ params, body }, { access, reader }) {
      const { tenant } = findRun(door, access, 'run.payload', params.run);
      return errands.take(tenant, async () => replayView(door, reader, params.run, await upkeep.replay(params.run, body.to)));
    },

    async forkRun({ params, body }, { access, keep }) {
      const row = findRun(door, access, 'run.fork', params.run);
      // A fork repeats its origin's payloads, so it needs permission to read them.
      if (!access.may('run.payload', row.tenant))
        throw new CorralError('CORRAL_FORBIDDEN', `${access.principal.id} may not read ${row.id}.`);
      const made = await errands.take(row.tenant, () => submissions.fork(row, body.at, access.principal.id, body.input));
      keep({ target: { run: params.run, at: body.at, fork: made.id }, tenant: row.tenant, matched: [made.id] });
      return { run: made.id, origin: { run: params.run, at: body.at }, unknown: [...made.unknown] };
    },

    async upgradeRun({ params, body }, { access, reader, keep }) {
      const { tenant, version } = await upgraded(door, { access, reader }, params.run, body.to);
      keep({ target: { run: params.run, version }, tenant, matched: [params.run] });
      return { run: params.run, version };
    },

    async makeBackup({ body }, { access, keep }) {
      const to = folderOf(body.to, channel, settings.inForce().config.backups);
      const manifest = await errands.take(access.principal.tenant, () => upkeep.backup(to));
      keep({ target: { to, digest: manifest.digest } });
      return { to, ...manifest, files: [...manifest.files] };
    },
  };
}

/** @throws CORRAL_FORBIDDEN, CORRAL_VERSION_UNKNOWN, CORRAL_RUN_STATE, CORRAL_UPGRADE_DIFFERS */
async function upgraded(door: ServerContext, { access, reader }: Pick<Context, 'access' | 'reader'>, run: RunId, to: string) {
  const { host, errands, registry, index } = door;
  const { id, tenant, agent } = findRun(door, access, 'run.resolve', run);
  // A difference repeats payloads of the run.
  if (!access.may('run.payload', tenant)) throw new CorralError('CORRAL_FORBIDDEN', `${access.principal.id} may not read ${id}.`);
  const version = registry.resolve(tenant, `${agent}@${to}`);
  await errands
    .take(tenant, () => host.upgrade(run, version, access.principal.id))
    .catch(async (error: unknown) => {
      if (!(error instanceof CorralError) || error.code !== 'CORRAL_UPGRADE_DIFFERS') throw error;
      const withheld = await errands.take(tenant, () => withheldOf(door, reader, run));
      if (withheld === undefined) throw error;
      throw new CorralError(
        'CORRAL_UPGRADE_DIFFERS',
        `${run} does something else by that version; where is withheld. ${withheld.why} ${withheld.ask}`,
      );
    });
  index.moved(id, version.version);
  return { tenant, version: version.version };
}

/** The reason that withholds the journal of a run, or a part of it, from a reader. It reads the whole journal. */
async function withheldOf({ host, labels }: ServerContext, reader: Reader, run: RunId): Promise<Withheld | undefined> {
  const stored = await host.stored(run);
  if (stored === undefined) return undefined;
  let names: Label['private_to'] = ofInput(stored.record);
  for await (const page of pagesOf((...of) => host.journal(...of), run, PAGE))
    for (const more of await labels.of(run, page)) names = unionOf(names, more);
  return reader.withheld(run, stored.record.tenant, names);
}

async function replayView(door: ServerContext, reader: Reader, run: RunId, { difference: found, steps, computed_at, ...rest }: Replay) {
  // A replay that matches repeats nothing of the journal.
  const withheld = found === undefined ? undefined : await withheldOf(door, reader, run);
  const difference = found === undefined || withheld === undefined ? found : placeOf(found);
  return {
    ...(withheld === undefined ? {} : { withheld }),
    run,
    ...rest,
    matches: difference === undefined,
    difference: difference ?? null,
    computed_at: computed_at ?? null,
    steps: steps.map((step) => ({
      crank: step.crank,
      cpu_us: step.cpu_us,
      matched: step.difference === undefined,
      // Effects of a step that differs; the effects of the others are in the journal.
      ...(step.difference === undefined || step.effects === undefined || withheld !== undefined ? {} : { effects: parsed(step.effects) }),
    })),
  };
}

/** Where a replay differs, without what differs. */
const placeOf = ({ crank, index, kind }: NonNullable<Replay['difference']>) => ({
  crank,
  index,
  kind,
  expected: 'withheld',
  seen: 'withheld',
});

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
