/** `corral memory`: what agents keep between runs; listed, read, and removed. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import { printableJson } from '@corral/protocol/printable';
import { connect, hostFlags, print, withReason, type HostFlags, type Reasoned } from '../connect.ts';
import { runId } from '../ids.ts';
import { bytes, printable, table } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { wholeNumber } from '../whole-number.ts';
import { inTenant } from './agents.ts';

type Memory = RouteAnswer<'listMemories'>['items'][number];
type Entry = RouteAnswer<'listMemoryEntries'>['items'][number];

interface Listed extends HostFlags {
  readonly tenant?: string;
  readonly prefix?: string;
  readonly limit: string;
  readonly cursor?: string;
}

interface Removed extends HostFlags {
  readonly tenant?: string;
  readonly memory?: string;
  readonly owner?: string;
  readonly name?: string;
  readonly prefix?: string;
  readonly run?: string;
  readonly all?: true;
  readonly dryRun?: boolean;
  readonly reason: string;
}

export function memoryCommands(program: Command): void {
  const memory = program.command('memory').description('what agents keep between runs: list, read and remove it');
  hostFlags(memory.command('ls'))
    .description('list memories, or the entries of one with their labels and writers')
    .argument('[memory]', 'its id, from the list of memories')
    .option('--tenant <name>', 'only of this tenant')
    .option('--prefix <text>', 'only entries whose names begin with this')
    .option('-n, --limit <number>', 'length of a page', '50')
    .option('--cursor <text>', 'continue after a page')
    .addHelpText('after', `\nExample:\n  corral memory ls\n  corral memory ls 3 --prefix customers/`)
    .action(async (id: string | undefined, flags: Listed) => {
      const client = connect(flags);
      const page = { limit: wholeNumber(flags.limit, '--limit'), ...(flags.cursor === undefined ? {} : { cursor: flags.cursor }) };
      if (id === undefined) {
        const found = await client.listMemories({ query: { ...page, ...inTenant(flags) } });
        return print(flags, found, () => [memoriesTable(found.items), ...more(found.next)].join('\n'));
      }
      const prefix = flags.prefix === undefined ? {} : { prefix: flags.prefix };
      const found = await client.listMemoryEntries({ params: { memory: idOf(id) }, query: { ...page, ...prefix } });
      return print(flags, found, () => [entriesTable(found.items), ...more(found.next)].join('\n'));
    });
  hostFlags(memory.command('get'))
    .description('print the value of an entry, if its label allows you to read it; the reading is recorded')
    .argument('<memory>', 'its id')
    .argument('<name>', 'the name of the entry')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText('after', `\nExample:\n  corral memory get 3 customers/acme`)
    .action(async (id: string, name: string, flags: HostFlags & Reasoned) => {
      const found = await connect(flags).readMemory({ params: { memory: idOf(id) }, body: { name, ...withReason(flags) } });
      if (found.withheld !== undefined) throw new CorralError('CORRAL_WITHHELD', `${found.withheld.why} ${found.withheld.ask}`);
      print(flags, found, () => (found.encoding === 'json' ? printableJson(found.value, 2) : printable(found.value as string)));
    });
  hostFlags(memory.command('rm'))
    .description('delete entries: all that fit each of what is named')
    .option('--tenant <name>', 'of this tenant; left out: yours')
    .option('--memory <name>', 'of the memory that the configuration calls this')
    .option('--owner <owner>', 'of agent:NAME, person:NAME or tenant')
    .option('--name <name>', 'the entry of this name, if you may read it')
    .option('--prefix <text>', 'entries whose names begin with this, of those that you may read')
    .option('--run <run>', 'entries that this run has written a part of')
    .option('--all', 'all that the tenant keeps')
    .option('--dry-run', 'only say how much that is')
    .requiredOption('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText(
      'after',
      `\nExample:\n  corral memory rm --memory notes --prefix customers/ --dry-run -m 'ticket 12'\n  corral memory rm --owner person:token:ana -m 'she has left'`,
    )
    .action(async (flags: Removed) => {
      const { memory: of, owner, name, prefix, run, all, reason, dryRun = false } = flags;
      const removed = await connect(flags).removeMemory({
        body: {
          ...inTenant(flags),
          ...(of === undefined ? {} : { memory: of }),
          ...(owner === undefined ? {} : { owner }),
          ...(name === undefined ? {} : { name }),
          ...(prefix === undefined ? {} : { prefix }),
          ...(run === undefined ? {} : { run: runId(run) }),
          ...(all === undefined ? {} : { all }),
          reason,
          dryRun,
        },
      });
      print(flags, removed, () => {
        const what = `${removed.entries} ${removed.entries === 1 ? 'entry' : 'entries'}, ${bytes(removed.bytes)}`;
        return dryRun ? `${what} would be removed.` : `${what} removed. Backups made earlier still have them.`;
      });
    });
}

/** @throws CORRAL_USAGE */
function idOf(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new CorralError('CORRAL_USAGE', `${text.slice(0, 100)} is not the id of a memory: \`corral memory ls\` lists them.`);
}

const more = (next: string | null): string[] => (next === null ? [] : [`more: --cursor ${next}`]);

function memoriesTable(items: readonly Memory[]): string {
  if (items.length === 0) return 'nothing is kept here';
  return table(
    [
      { title: 'ID', align: 'right' },
      ...['TENANT', 'MEMORY', 'OF'].map((title) => ({ title })),
      { title: 'ENTRIES', align: 'right' },
      { title: 'BYTES', align: 'right' },
      { title: 'LAST WRITE' },
    ],
    items.map((one) => [
      String(one.id),
      one.tenant,
      `${one.kind}:${one.memory}`,
      printable(one.owner),
      String(one.entries),
      bytes(one.bytes),
      moment(one.at),
    ]),
  ).join('\n');
}

function entriesTable(items: readonly Entry[]): string {
  if (items.length === 0) return 'nothing is kept here';
  return table(
    [
      { title: 'NAME' },
      { title: 'BYTES', align: 'right' },
      ...['WRITTEN', 'BY', 'INFLUENCED BY', 'PRIVATE TO', 'EXPIRES'].map((title) => ({ title })),
    ],
    items.map((one) => [
      one.name === null ? '(withheld)' : printable(one.name),
      bytes(one.bytes),
      moment(one.at),
      writerOf(one),
      namesOf(one.influenced_by),
      namesOf(one.private_to),
      moment(one.expires_at),
    ]),
  ).join('\n');
}

function writerOf({ written_by: [latest, ...others] }: Entry): string {
  if (latest === undefined) return '';
  return `${latest.agent} ${latest.run} call ${latest.call}${others.length === 0 ? '' : ` and ${others.length} more`}`;
}

const namesOf = (names: readonly string[] | null): string =>
  names === null ? 'not known' : names[0] === '*' ? 'anybody' : printable(names.join(', '));
