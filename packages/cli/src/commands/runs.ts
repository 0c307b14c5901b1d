/** Runs of a host: submitting, showing, settling. */
import type { Command } from 'commander';
import { allItems, type Client } from '@corral/protocol/api/client';
import type { Withheld } from '@corral/protocol/api/withheld';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { CorralError } from '@corral/protocol/errors';
import { ranges } from '@corral/protocol/ranges';
import { endText, withAuthorsLines } from '../authors.ts';
import { connect, folderAlone, hostFlags, jsonArgument, print, type HostFlags } from '../connect.ts';
import { budgetText, chargedText } from '../screen/amounts.ts';
import { duration, printable, table } from '../screen/table.ts';
import { clock, moment } from '../screen/time.ts';
import { stateOf } from '../screen/states.ts';
import { withheldText } from '../screen/withheld.ts';
import { runId } from '../ids.ts';
import { budgetArgument, grantArguments } from '../terms.ts';
import { wholeNumber } from '../whole-number.ts';
import { inTenant } from './agents.ts';
import { historyCommands } from './history.ts';
import { isMany, manyFlags, onlyUnknown, settleMany, type ManyFlags } from './settle.ts';
import { waited } from './wait.ts';
import { story } from './story.ts';
import { why } from './why.ts';

type Run = RouteAnswer<'showRun'>;

export function runCommands(program: Command): void {
  hostFlags(program.command('submit'))
    .description('submit a job')
    .argument('<agent>', 'NAME, NAME@ALIAS or NAME@sha256:…')
    .option('--input <json>', 'the agent’s input, or @FILE', '{}')
    .option('--key <text>', 'an idempotency key: the same job runs once, however often it is sent')
    .option('--ceilings <json>', 'limits of this run')
    .option('--budget <amounts>', 'its purse: money=12.50,tokens=20000,calls=100, or JSON')
    .option(
      '--grant <alias:terms>',
      'narrow a capability that the agent uses: pay:uses=3,where.amount.max=100,expires_in_ms=60000; may be repeated',
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option('--tenant <name>', 'for hosts with several tenants')
    .option('--wait', 'wait for its end; exit code 1 if it did not complete')
    .addHelpText(
      'after',
      `\nExamples:\n  corral submit hello --input '{"name":"Ada"}' --wait\n  corral submit purchasing/buyer --input @order.json --budget money=250,calls=40 --grant pay:uses=3,where.amount.max=100 --grant read:uses=5`,
    )
    .action(async (agent: string, flags: SubmitFlags) => {
      const client = connect(flags);
      const run = await client.submitRun({
        body: {
          agent,
          input: await jsonArgument('--input', flags.input),
          ...(flags.ceilings === undefined ? {} : { ceilings: (await jsonArgument('--ceilings', flags.ceilings)) as never }),
          ...(flags.budget === undefined ? {} : { budget: await budgetArgument(flags.budget) }),
          ...(flags.grant === undefined ? {} : { grants: grantArguments(flags.grant) }),
          ...inTenant(flags),
        },
        headers: flags.key === undefined ? {} : { 'idempotency-key': flags.key },
      });
      if (flags.wait !== true) {
        print(flags, run, () => run.run);
        return;
      }
      process.exitCode = await waited(client, run.run, flags);
    });

  const one = (name: string, about: string, example: string) =>
    hostFlags(program.command(name)).description(about).argument('<run>').addHelpText('after', `\nExample:\n  ${example}`);

  const show = hostFlags(program.command('show'))
    .description('show a run, or an agent')
    .argument('<of>', 'a run, or the name of an agent')
    .option('--tenant <name>', 'tenant of the agent, on hosts with several')
    .addHelpText('after', '\nExample:\n  corral show run_3k9x7m2p4q5r');
  show.action(async (id: string, flags: HostFlags & { readonly tenant?: string }) => {
    const client = connect(flags);
    if (!id.startsWith('run_')) {
      const agent = await client.showAgent({ params: { agent: id }, query: inTenant(flags) });
      print(flags, agent, () =>
        [
          `${agent.agent}  ${agent.purpose}`,
          ...agent.resting.map(({ version, why, until }) => `  rests until ${moment(until)}  ${version}  ${why}`),
          ...agent.aliases.map(({ alias, version, moved_by }) => `  ${alias.padEnd(10)} ${version}  by ${moved_by}`),
          ...agent.history.map(({ version, deployed_at, deployed_by }) => `  ${moment(deployed_at)}  ${version}  by ${deployed_by}`),
        ].join('\n'),
      );
      return;
    }
    const run = await client.showRun({ params: { run: id as RunId } });
    const text = await described(client, run);
    print(flags, await withAuthorsLines(client, run), () => text);
  });

  one('tree', 'show a run with all its children', 'corral tree run_3k9x7m2p4q5r').action(async (id: RunId, flags: HostFlags) => {
    const tree = await connect(flags).runTree({ params: { run: id } });
    const lines = (node: typeof tree, before: string, mark: string): string[] => [
      `${before}${mark}${node.run}  ${node.agent}  ${node.ended_as ?? (node.control === 'none' ? node.lifecycle : node.control)}`,
      ...node.children.flatMap((child, i) =>
        lines(child, mark === '' ? before : `${before}${mark === '└ ' ? '  ' : '│ '}`, i === node.children.length - 1 ? '└ ' : '├ '),
      ),
    ];
    print(flags, tree, () => lines(tree, '', '').join('\n'));
  });

  one('why', 'say why a run is in its state, and what can be done', 'corral why run_3k9x7m2p4q5r').action(why);

  one('story', 'tell in ten sentences what a run was asked, read, did, was refused and spent', 'corral story run_3k9x7m2p4q5r').action(
    story,
  );

  const calls = one('calls', 'list the calls of a run', 'corral calls run_3k9x7m2p4q5r --errors');
  calls.option('--errors', 'only calls that failed, with what their tools threw');
  calls.action(async (id: RunId, flags: HostFlags & { readonly errors?: boolean }) => {
    const client = connect(flags);
    const all = await allItems((at) => client.runCalls({ params: { run: id }, query: { limit: LISTED, ...at } }));
    const items = flags.errors === true ? all.filter(({ error }) => error !== null) : all;
    if (flags.errors === true && flags.json !== true) {
      // Calls that failed in the same way are one: an agent that tries again and again makes hundreds of them.
      for (const same of Map.groupBy(items, ({ tool, error }) => JSON.stringify([tool, error])).values()) {
        const { tool, error } = same[0] ?? { tool: '', error: null };
        const numbers = ranges(same.map(({ call }) => call));
        process.stdout.write(`${numbers}  ${tool}  ${error?.code}: ${printable(error?.message ?? '')}\n${indented(error?.detail ?? '')}`);
      }
      return;
    }
    const cost = items.some((call) => chargedText(call.cost) !== '');
    print(flags, items, () =>
      table(
        [
          { title: 'CALL', align: 'right' },
          { title: 'TOOL' },
          { title: 'STATE' },
          { title: 'TOOK', align: 'right' },
          ...(cost ? [{ title: 'COST' }] : []),
          { title: 'INPUT', max: 60 },
          { title: '' },
        ],
        items.map((call) => [
          String(call.call),
          call.tool,
          call.state,
          call.answered_at === null ? '' : duration(call.answered_at - call.asked_at),
          ...(cost ? [chargedText(call.cost)] : []),
          call.withheld === undefined ? printable(JSON.stringify(call.input)) : hidden(call.withheld),
          call.error === null ? '' : call.error.code,
        ]),
      ).join('\n'),
    );
  });

  one('messages', 'list the messages of a run', 'corral messages run_3k9x7m2p4q5r').action(async (id: RunId, flags: HostFlags) => {
    const client = connect(flags);
    const items = await allItems((at) => client.runMessages({ params: { run: id }, query: { limit: LISTED, ...at } }));
    if (items.length === 0 && flags.json !== true) process.stderr.write('no messages\n');
    else
      print(flags, items, () =>
        items
          .map(
            (m) =>
              `${clock(m.at)}  ${m.direction === 'in' ? '←' : '→'} ${m.with}  ${m.withheld === undefined ? printable(JSON.stringify(m.body)) : withheldText(m.withheld)}`,
          )
          .join('\n'),
      );
  });

  historyCommands(one);

  manyFlags(hostFlags(program.command('release')))
    .description('let held runs go on: they came from a backup, or replay differently on this runtime')
    .argument('[run]')
    .requiredOption('-m, --reason <text>', 'reason; it is recorded')
    .option('--go', 'if no host runs on --data: run it in this process, to its end')
    .option('--config <file>', 'with --go: offer the tools of this configuration, under its policies')
    .addHelpText('after', `\nExample:\n  corral release run_3k9x7m2p4q5r -m 'the bank shows nothing was sent'`)
    .action(async (run: RunId, flags: ManyFlags & { readonly reason: string; readonly go?: boolean; readonly config?: string }) => {
      if (isMany(run, flags)) return settleMany(flags, 'release', flags.reason);
      const data = await folderAlone(flags);
      if (data !== undefined) {
        const { release } = await import('./resolve.ts');
        process.exitCode = await release(run, { data, reason: flags.reason, ...asked(flags) });
        return;
      }
      const released = await connect(flags).releaseRun({ params: { run }, body: { reason: flags.reason } });
      print(flags, released, () => `${released.run}  ${stateOf(released)}`);
    });

  manyFlags(hostFlags(program.command('resolve')))
    .description('settle calls whose result is unknown: they may or may not have acted')
    .argument('[run]')
    .argument('[call]', 'number of the call, from `corral calls`; not needed where the result of one call of the run is unknown')
    .option('--retry', 'make the call again')
    .option('--fail', 'tell the agent that it failed')
    .option('--result <json>', 'give the agent this result')
    .requiredOption('-m, --reason <text>', 'why')
    .option('--go', 'if no host runs on --data: run it in this process, to its end')
    .option('--config <file>', 'with --go: offer the tools of this configuration, under its policies')
    .addHelpText(
      'after',
      `\nExample:\n  corral resolve run_3k9x7m2p4q5r 7 --result '{"sent":true}' -m 'the bank says so'\n  corral resolve --tool bank.pay --older-than 1h --fail --dry-run -m 'the bank was down'`,
    )
    .action(async (run: RunId, given: string | undefined, flags: ResolveFlags) => {
      const many = isMany(run, flags);
      const data = many ? undefined : await folderAlone(flags);
      if (data !== undefined) {
        const { resolve } = await import('./resolve.ts');
        process.exitCode = await resolve(run, given, { ...flags, data });
        return;
      }
      const { reason } = flags;
      const chosen = [flags.retry === true, flags.fail === true, flags.result !== undefined].filter(Boolean).length;
      if (chosen !== 1) throw new CorralError('CORRAL_USAGE', 'Give one of --retry, --fail and --result.');
      const body =
        flags.result === undefined
          ? { how: flags.retry === true ? ('retry' as const) : ('fail' as const), reason }
          : { how: 'result' as const, value: await jsonArgument('--result', flags.result), reason };
      if (many) return settleMany(flags, body.how, reason, body.how === 'result' ? { value: body.value } : {});
      const call = given === undefined ? await onlyUnknown(runId(run), flags) : wholeNumber(given, 'CALL');
      const done = await connect(flags).resolveCall({ params: { run, call }, body });
      print(flags, done, () => `call ${done.call} of ${done.run}: ${done.how}`);
    });
}

const hidden = ({ private_to }: Withheld): string =>
  printable(private_to.length === 0 ? 'withheld' : `private to ${private_to.join(', ')}`);

/** The options of a command that works on the folder itself. */
const asked = ({ json, go, config }: { readonly json?: boolean; readonly go?: boolean; readonly config?: string }) => ({
  ...(config === undefined ? {} : { config }),
  ...(json === undefined ? {} : { json }),
  ...(go === undefined ? {} : { go }),
});

interface SubmitFlags extends HostFlags {
  readonly input: string;
  readonly key?: string;
  readonly ceilings?: string;
  readonly budget?: string;
  readonly grant?: readonly string[];
  readonly tenant?: string;
  readonly wait?: boolean;
}
interface ResolveFlags extends ManyFlags {
  readonly retry?: boolean;
  readonly fail?: boolean;
  readonly result?: string;
  readonly reason: string;
}
async function described(client: Client, run: Run): Promise<string> {
  const charged = chargedText(run);
  const rows: [string, string][] = [
    ['run', run.run],
    ['agent', `${run.agent}  ${run.version}`],
    ['tenant', run.tenant],
    ['by', run.principal],
    ['state', `${stateOf(run)}${run.waiting_for === '' ? '' : `, waits on ${run.waiting_for}`}`],
    ['submitted', moment(run.created_at)],
    [
      'used',
      [
        `${duration(run.cpu_ms)} of CPU`,
        `${run.calls} ${run.calls === 1 ? 'call' : 'calls'}`,
        ...(charged === '' ? [] : [charged]),
        `${run.journal_entries} journal entries`,
      ].join(', '),
    ],
    ['of', budgetText(run.budget)],
    [
      'may',
      run.caps
        .filter(({ alias }) => alias !== '')
        .map(({ alias }) => alias)
        .join(', ') || 'nothing',
    ],
    ['input', brief(run.input)],
    ...(run.state === undefined ? [] : [['keeps', brief(run.state)] as [string, string]]),
  ];
  const head = [...rows.map(([name, text]) => `${name.padEnd(10)} ${text}`), ...programLines(run)].join('\n');
  const text = run.outcome === null ? head : `${head}\n${await endText(client, run)}`;
  return run.withheld_payload === undefined ? text : `${text}\n${withheldText(run.withheld_payload)}`;
}

/** A program with the numbers of its lines, which messages of errors name. */
function programLines({ program }: Run): string[] {
  if (program === undefined) return [];
  const lines = program.source?.split('\n') ?? [];
  return [
    `program    ${program.digest}, ${program.bytes} bytes`,
    ...lines.slice(0, LINES).map((line, i) => `${String(i + 1).padStart(10)} ${printable(line)}`),
    ...(lines.length > LINES ? [`           … ${lines.length - LINES} more lines: --json has them all`] : []),
  ];
}
const LINES = 200;

/** A value on one line, as far as that is useful. */
function brief(value: unknown): string {
  const text = printable(JSON.stringify(value));
  return text.length > BRIEF ? `${text.slice(0, BRIEF)}…` : text;
}
const BRIEF = 400;
/** Calls or messages that are asked for at a time. */
const LISTED = 500;

/** Indents the lines of an exception below its call. */
const indented = (text: string): string =>
  text === ''
    ? ''
    : `${text
        .split('\n')
        .map((line) => `    ${printable(line)}`)
        .join('\n')}\n`;
