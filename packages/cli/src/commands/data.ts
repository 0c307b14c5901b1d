/**
 * `corral verify`, `erase`, `gc`, `backup`, `restore`: work on stored evidence. A running host does it, through its API and with
 * its roles; if no host answers on the data folder, this process does it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { styleText } from 'node:util';
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import { TenantId } from '@corral/protocol/ids';
import { didYouMean } from '@corral/protocol/nearest';
import type { Freed } from '@corral/protocol/ports/evidence';
import type { SqliteStore } from '@corral/store/sqlite';
import { keyFile, keySource, writeDurably } from '@corral/store/core/keys';
import { dataFolder, hostFlags, hostOrFolder, isElsewhere, type HostFlags, print as printed } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { withReading, withStore } from '../folder.ts';
import { runId } from '../ids.ts';
import { recordHere } from '../record.ts';
import { headOf, logLines } from '../screen/log.ts';
import { bytes, table } from '../screen/table.ts';
import { exact } from '../screen/time.ts';
import { inTenant } from './agents.ts';

interface InTenant extends HostFlags {
  readonly tenant?: string;
}
interface Doing extends HostFlags {
  readonly dryRun?: boolean;
  readonly reason?: string;
}

/** Adds the commands to the program. */
export function addDataCommands(program: Command): void {
  const command = (name: string, description: string, example: string) =>
    hostFlags(program.command(name)).description(description).addHelpText('after', `\nExample:\n  ${example}`);

  command(
    'verify',
    'check journals, payloads, bundles and the record; exit code 1 if anything was changed or lost',
    'corral verify --data ./data',
  )
    .argument('[run]', 'one run; without it, all of them')
    .option('--tenant <name>', 'only of this tenant')
    .option('--head <size:hash>', 'a head of the log that was kept outside of this host: the log must begin with the entries it covers')
    .addHelpText('after', '\nThe data folder may be one that cannot be written to, such as a snapshot.')
    .action(async (run: string | undefined, flags: InTenant & { readonly head?: string }) => {
      process.exitCode = await verify(run, flags);
    });
  command('erase', 'delete the contents of a run for ever: its key is destroyed', 'corral erase run_4k2m9x7p3q5w -m "ticket 5512"')
    .argument('<run>', 'a run that has ended')
    .option('-m, --reason <text>', 'reason; it is recorded with the operation, and a host requires it')
    .option('--memory', 'delete what the run has kept in memories, too')
    .option('--dry-run', 'only say what would be deleted')
    .action(async (run: string, flags: Doing & { readonly memory?: boolean }) => {
      process.exitCode = await erase(run, flags);
    });
  command('gc', 'delete the data of erased runs, and journals whose retention has passed', 'corral gc --data ./data --retention acme=30d')
    .option('--retention <tenant=time>', 'how long journals of ended runs are kept, such as 12h or 30d; may be repeated', collect, [])
    .option('--tenant <name>', 'only of this tenant')
    .option('-m, --reason <text>', 'reason; it is recorded with the operation')
    .option('--dry-run', 'only say what would be deleted')
    .addHelpText('after', '\nA running host uses the retention of its configuration, and does this by itself every ten minutes.')
    .action(async (flags: Doing & InTenant & { readonly retention: readonly string[] }) => {
      process.exitCode = await gc(flags);
    });
  command(
    'backup',
    'copy all databases of a data folder as of one moment, without its keys; a host may be running',
    'corral backup ./backups/monday --data ./data --keys /safe/monday-keys.json',
  )
    .argument('<to>', 'a folder that is empty or does not exist; at a host elsewhere, a name below its folder for backups')
    .option('--keys <file>', 'copy the key file to this path; keep it apart from the backup')
    .option('-m, --reason <text>', 'reason; it is recorded with the operation')
    .action(async (to: string, flags: Doing & { readonly keys?: string }) => {
      process.exitCode = await backup(to, flags);
    });
  program
    .command('restore')
    .description('make a data folder of a backup')
    .argument('<from>', 'the folder of the backup')
    .requiredOption('--data <folder>', 'a folder that is empty or does not exist')
    .option('--keys <file>', 'the key file that belongs to it')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  corral restore ./backups/monday --data ./data --keys /safe/monday-keys.json')
    .action(async (from: string, options: { readonly data: string; readonly json?: boolean; readonly keys?: string }) => {
      process.exitCode = await restoreTo(from, options);
    });
}

async function verify(run: string | undefined, flags: InTenant & { readonly head?: string }): Promise<number> {
  const id = run === undefined ? undefined : runId(run);
  const head = flags.head === undefined ? undefined : headOf(flags.head);
  const place = await hostOrFolder(flags);
  const found =
    'client' in place
      ? await place.client.verifyJournals({
          body: { ...inTenant(flags), ...(id === undefined ? {} : { run: id }), ...(head === undefined ? {} : { head }) },
        })
      : await withReading(place.data, async (store) => {
          await mustHaveRuns(store, flags.tenant);
          return store.verify(id, flags.tenant as TenantId | undefined, head);
        });
  const { runs, entries, forgotten, damaged, log } = found;
  print(flags, found, () => [
    ...(damaged.length === 0
      ? []
      : [
          ...table(
            [{ title: 'RUN' }, { title: 'ENTRY', align: 'right' }, { title: 'PROBLEM' }, { title: '' }],
            damaged.map((one) => [one.run, String(one.entry), one.problem, one.message]),
          ),
          '',
        ]),
    `${count(runs, 'run')}, ${count(entries, 'entry', 'entries')}, ${forgotten} of them pruned or erased: ${
      damaged.length === 0 ? styleText('green', 'all chains hold') : styleText('red', `${count(damaged.length, 'run')} damaged`)
    }`,
    ...logLines(log),
  ]);
  return damaged.length === 0 && log.count === 0 ? EXIT.ok : EXIT.outcome;
}

async function erase(run: string, flags: Doing & { readonly memory?: boolean }): Promise<number> {
  const id = runId(run);
  const { dryRun = false, memory = false, reason } = flags;
  const place = await hostOrFolder(flags);
  let erased: Pick<RouteAnswer<'eraseRun'>, 'erased_at' | 'entries' | 'blobs' | 'bytes' | 'memory'>;
  if ('client' in place) {
    if (reason === undefined)
      throw new CorralError('CORRAL_USAGE', 'A host is running: give a reason with -m; it is recorded with the operation.');
    erased = await place.client.eraseRun({ params: { run: id }, body: { reason, dryRun, memory } });
  } else {
    const at = Date.now();
    if (memory) throw new CorralError('CORRAL_USAGE', 'No host is running; start it with `corral up`: memories are removed through it.');
    const done = await (dryRun
      ? withReading(place.data, (store) => store.erasable(id))
      : withStore(place.data, async (store) => {
          // An erased run cannot be opened any more; erasing it again changes nothing.
          const tenant = (await store.run(id).catch(() => undefined))?.record.tenant;
          const gone = await store.erase(id, at);
          await recordHere(place.data, { operation: 'erase', target: { run: id }, reason, tenant, matched: [id] });
          return gone;
        }));
    erased = { ...done, erased_at: dryRun ? null : at, memory: null };
  }
  const { erased_at, entries, blobs, memory: kept } = erased;
  print(flags, { run: id, dryRun, erased_at, entries, blobs, bytes: erased.bytes, memory: kept }, () => [
    `${id} ${dryRun ? 'would be' : 'is'} erased: ${count(entries, 'entry', 'entries')}, ${count(blobs, 'large payload')}.`,
    ...(kept === null ? [] : [`${count(kept.entries, 'entry', 'entries')} of memories ${dryRun ? 'would be' : 'are'} removed.`]),
    ...(dryRun ? [] : ['Backups made earlier still have its key until they are deleted.']),
  ]);
  return EXIT.ok;
}

async function gc(flags: Doing & InTenant & { readonly retention: readonly string[] }): Promise<number> {
  const { dryRun = false, reason } = flags;
  const given = retentionOf(flags.retention);
  const place = await hostOrFolder(flags);
  let freed: Freed & { readonly retention_ms: Readonly<Record<string, number>> };
  if ('client' in place) {
    if (flags.retention.length > 0)
      throw new CorralError('CORRAL_USAGE', 'A host is running, and uses the `retention` of its configuration; leave --retention out.');
    freed = await place.client.collectGarbage({ body: { ...inTenant(flags), dryRun, ...(reason === undefined ? {} : { reason }) } });
  } else {
    const wanted = { retention_ms: given, tenant: flags.tenant as TenantId | undefined };
    const now = Date.now();
    const done = await (dryRun
      ? withReading(place.data, async (store) => {
          await mustHaveRuns(store, flags.tenant, ...Object.keys(given));
          return store.collectable(now, wanted);
        })
      : withStore(place.data, async (store) => {
          await mustHaveRuns(store, flags.tenant, ...Object.keys(given));
          const gone = await store.gc(now, wanted);
          await recordHere(place.data, { operation: 'collect', target: { ...gone, retention_ms: given }, reason, tenant: flags.tenant });
          return gone;
        }));
    freed = { ...done, retention_ms: given };
  }
  const { runs, entries, blobs, retention_ms } = freed;
  print(flags, { dryRun, runs, entries, blobs, bytes: freed.bytes, retention_ms }, () => [
    ...table(
      ['RUNS', 'ENTRIES', 'BLOBS', 'FREED'].map((title) => ({ title, align: 'right' })),
      [[String(runs), String(entries), String(blobs), bytes(freed.bytes)]],
    ),
    ...(dryRun ? ['Nothing was deleted.'] : []),
  ]);
  return EXIT.ok;
}

async function backup(to: string, flags: Doing & { readonly keys?: string }): Promise<number> {
  const keys = keySource(process.env);
  if (flags.keys !== undefined) {
    if (isElsewhere(flags)) throw new CorralError('CORRAL_USAGE', '--keys copies a file of this machine, and the host is on another one.');
    if (keys.kind !== 'file')
      throw new CorralError('CORRAL_USAGE', 'There is no key file to copy: the master key came from the environment.');
    if (existsSync(flags.keys)) throw new CorralError('CORRAL_USAGE', `--keys names a file that exists already: ${flags.keys}`);
  }
  const place = await hostOrFolder(flags);
  const reason = flags.reason === undefined ? {} : { reason: flags.reason };
  // A relative path is resolved here only if the host is on this machine.
  const here = !isElsewhere(flags) || isAbsolute(to) ? resolve(to) : to;
  const manifest =
    'client' in place
      ? await place.client.makeBackup({ body: { to: here, ...reason } })
      : await withReading(place.data, (store) => store.backup(resolve(to), Date.now()));
  if ('data' in place)
    await recordHere(place.data, { operation: 'backup', target: { to: here, digest: manifest.digest }, reason: flags.reason }).catch(
      (error: unknown) => {
        // A snapshot on a read-only disk can be copied too.
        if (!(error instanceof CorralError) || error.code !== 'CORRAL_DATA_UNUSABLE') throw error;
      },
    );
  if (flags.keys !== undefined) writeDurably(flags.keys, readFileSync(keyFile(dataFolder(flags))));
  print(flags, { ...manifest, to, keys: flags.keys ?? null }, () => [
    `${to}: ${bytes(manifest.bytes)}, era ${manifest.era}, ${manifest.digest.slice(0, 19)}: ${manifest.files.map(({ name }) => name).join(' and ')} as of ${exact(manifest.at)}`,
    flags.keys === undefined
      ? 'The keys are not in the backup; it cannot be read without them.'
      : `Its keys are in ${flags.keys}; keep them apart from it.`,
  ]);
  return EXIT.ok;
}

async function restoreTo(
  from: string,
  options: { readonly data: string; readonly json?: boolean; readonly keys?: string },
): Promise<number> {
  if (options.keys !== undefined && !existsSync(options.keys))
    throw new CorralError('CORRAL_USAGE', `--keys names no file: ${options.keys}`);
  const { restore } = await import('@corral/store/sqlite/backup');
  const { manifest, era, held } = restore(from, options.data, options.keys);
  print(options, { data: options.data, era, held, manifest }, () => [
    `${options.data}: as of ${exact(manifest.at)}, now era ${era}`,
    `${count(held, 'run')} had not ended then, and may have gone on since.`,
    ...(held === 0
      ? []
      : [
          'Those that might do again what they did are held when they go on: `corral ps --waiting resolution`, then `corral release RUN -m WHY`.',
        ]),
    ...(manifest.files.length === 1 ? ['It has no front.db: no agents, tokens, schedules or operations came with it.'] : []),
    ...(options.keys === undefined ? [`It can be read once its keys are there: as keys.json, or in CORRAL_MASTER_KEY.`] : []),
  ]);
  return EXIT.ok;
}

function print(flags: HostFlags, document: unknown, lines: () => readonly string[]): void {
  printed(flags, document, () => lines().join('\n'));
}

/** Refuses a misspelt name of a tenant, which would look like a tenant without runs. @throws CORRAL_TENANT_UNKNOWN */
async function mustHaveRuns(store: SqliteStore, ...names: readonly (string | undefined)[]): Promise<void> {
  const tenants = await store.tenants();
  for (const name of names)
    if (name !== undefined && !tenants.includes(name))
      throw new CorralError('CORRAL_TENANT_UNKNOWN', `This folder has no runs of a tenant ${name}.${didYouMean(name, tenants)}`);
}

const collect = (one: string, before: readonly string[]) => [...before, one];
const count = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function retentionOf(given: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    given.map((one) => {
      const [, tenant = '', amount = '', unit = ''] = /^([^=]+)=(\d{1,6})([smhd])$/.exec(one) ?? [];
      if (!TenantId.safeParse(tenant).success)
        throw new CorralError('CORRAL_USAGE', `--retention ${JSON.stringify(one)} is not of the form TENANT=30d (s, m, h or d).`);
      return [tenant, Number(amount) * (UNIT_MS[unit] as number)];
    }),
  );
}
