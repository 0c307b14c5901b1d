/**
 * `corral erase`, `gc`, `verify`, `backup`, `restore`: what is done to a data folder that no Corral is running on; one that is
 * in use says so.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { styleText } from 'node:util';
import type { Command } from 'commander';
import { CorralError } from '@corral/protocol/errors';
import { TenantId } from '@corral/protocol/ids';
import { restore } from '@corral/store/sqlite/backup';
import { keyFile, keySource, writeDurably } from '@corral/store/sqlite/keys';
import { realClock } from '@corral/supervisor';
import { dataOption } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { runId, withStore } from '../folder.ts';
import { bytes, table } from '../screen/table.ts';

interface Common {
  readonly data: string;
  readonly json?: boolean;
}

/** Puts the commands onto the program. */
export function addDataCommands(program: Command): void {
  const command = (name: string, description: string, example: string) =>
    program
      .command(name)
      .description(description)
      .option('--json', 'print one JSON document')
      .addHelpText('after', `\nExample:\n  ${example}`);
  const folder = () => dataOption('the data folder; no Corral may be running on it');

  command('verify', 'check the journals of a data folder; exit code 1 if any is damaged', 'corral verify --data ./data')
    .argument('[run]', 'one run; without it, all of them')
    .addOption(folder())
    .action(async (run: string | undefined, options: Common) => {
      process.exitCode = await verify(run, options);
    });
  command('erase', 'forget what a run was about, for good: its key is destroyed', 'corral erase run_4k2m9x7p3q5w --data ./data')
    .argument('<run>', 'a run that has ended')
    .addOption(folder())
    .action(async (run: string, options: Common) => {
      process.exitCode = await erase(run, options);
    });
  command('gc', 'take away what was erased, and journals whose retention has passed', 'corral gc --data ./data --retention acme=30d')
    .addOption(folder())
    .option('--retention <tenant=time>', 'how long journals of ended runs are kept, as 12h or 30d; may be given again', collect, [])
    .action(async (options: Common & { retention: readonly string[] }) => {
      process.exitCode = await gc(options);
    });
  command('backup', 'copy a data folder, without its keys', 'corral backup ./backups/monday --data ./data --keys /safe/monday-keys.json')
    .argument('<to>', 'a folder that is empty or not there')
    .addOption(folder())
    .option('--keys <file>', 'copy the key file there too; keep it away from the backup')
    .action(async (to: string, options: Common & { keys?: string }) => {
      process.exitCode = await backup(to, options);
    });
  command('restore', 'make a data folder of a backup', 'corral restore ./backups/monday --data ./data --keys /safe/monday-keys.json')
    .argument('<from>', 'the folder of the backup')
    .requiredOption('--data <folder>', 'a folder that is empty or not there')
    .option('--keys <file>', 'the key file that belongs to it')
    .action((from: string, options: Common & { keys?: string }) => {
      process.exitCode = restoreTo(from, options);
    });
}

async function verify(run: string | undefined, options: Common): Promise<number> {
  const found = await withStore(options.data, (store) => store.verify(run === undefined ? undefined : runId(run)));
  const { runs, entries, forgotten, damaged } = found;
  print(options, found, () => [
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
  ]);
  return damaged.length === 0 ? EXIT.ok : EXIT.outcome;
}

async function erase(run: string, options: Common): Promise<number> {
  const id = runId(run);
  const at = realClock.now();
  await withStore(options.data, (store) => store.erase(id, at));
  print(options, { run: id, erased_at: at }, () => [
    `${id} is erased. Backups made before still hold its key: they forget it when they are deleted.`,
  ]);
  return EXIT.ok;
}

async function gc(options: Common & { readonly retention: readonly string[] }): Promise<number> {
  const freed = await withStore(options.data, (store) => store.gc(realClock.now()), { retention_ms: retentionOf(options.retention) });
  print(options, freed, () =>
    table(
      ['RUNS', 'ENTRIES', 'BLOBS', 'FREED'].map((title) => ({ title, align: 'right' })),
      [[String(freed.runs), String(freed.entries), String(freed.blobs), bytes(freed.bytes)]],
    ),
  );
  return EXIT.ok;
}

async function backup(to: string, options: Common & { readonly keys?: string }): Promise<number> {
  const keys = keySource(process.env);
  if (options.keys !== undefined) {
    if (keys.kind !== 'file')
      throw new CorralError('CORRAL_USAGE', 'There is no key file to copy: the master key came from the environment.');
    if (existsSync(options.keys)) throw new CorralError('CORRAL_USAGE', `--keys names a file that is there already: ${options.keys}`);
  }
  const manifest = await withStore(options.data, (store) => store.backup(resolve(to), realClock.now()));
  if (options.keys !== undefined) writeDurably(options.keys, readFileSync(keyFile(options.data)));
  print(options, { to, keys: options.keys ?? null, ...manifest }, () => [
    `${to}: ${bytes(manifest.bytes)}, era ${manifest.era}, ${manifest.digest.slice(0, 19)}`,
    options.keys === undefined
      ? 'The keys are not in it; without them it cannot be read.'
      : `Its keys are in ${options.keys}; keep them apart.`,
  ]);
  return EXIT.ok;
}

function restoreTo(from: string, options: Common & { readonly keys?: string }): number {
  if (options.keys !== undefined && !existsSync(options.keys))
    throw new CorralError('CORRAL_USAGE', `--keys names no file: ${options.keys}`);
  const { manifest, era, held } = restore(from, options.data, options.keys);
  print(options, { data: options.data, era, held, manifest }, () => [
    `${options.data}: as of ${new Date(manifest.at).toISOString()}, now era ${era}`,
    `${count(held, 'run')} had not ended then, and may have gone on since.`,
    ...(options.keys === undefined ? [`It can be read once its keys are there: as keys.json, or in CORRAL_MASTER_KEY.`] : []),
  ]);
  return EXIT.ok;
}

function print({ json = false }: Common, document: unknown, lines: () => readonly string[]): void {
  process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : `${lines().join('\n')}\n`);
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
