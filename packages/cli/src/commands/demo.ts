/**
 * `corral demo --once`: the example fleet on real input. First the crew alone, then the crew beside agents that
 * misbehave; at the end, what each did and whether that is what its example says.
 */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, styleText } from 'node:util';
import { CREW, SHOP, SHOP_EXPECTED, ZOO, ZOO_LOOPS } from '@corral/examples/fleet';
import type { RunView } from '@corral/supervisor';
import { readingTools, writingTools } from '@corral/tools/fs';
import { printableJson } from '@corral/protocol/printable';
import { EXIT } from '../failure.ts';
import { Fleet, type Pass, type RunReport } from '../fleet.ts';
import { startHost, wallsLine } from '../host.ts';
import { defaultPack, loadPolicies } from '../policies.ts';
import { Live } from '../screen/live.ts';
import { duration, printable, table, wrapWords } from '../screen/table.ts';
import { scriptedOwner, shopTools, type Asked, type Payment, type ShopLedger } from '../shop.ts';
import type { ShopModel } from '../shop-model.ts';

export interface DemoOptions {
  readonly json?: boolean;
  readonly out?: string;
}

const EXAMPLES = dirname(fileURLToPath(import.meta.resolve('@corral/examples/package.json')));
/** Real input: the packages among which this one is installed, or those of this repository. */
const PACKAGES = /^(.*[\\/]node_modules)[\\/]corral[\\/]/.exec(EXAMPLES)?.[1] ?? resolve(EXAMPLES, '..', 'node_modules');
/** Longest time between a limit and the end of the run that the summary accepts. */
const LATE_MS = 150;
/** Columns of what is not a terminal. */
const WIDTH = 140;
/** How long the shop's owner, a script, waits before deciding. */
const OWNER_MS = 3_000;
/** The rule for first uses is left out, since the shop has used its agents before; the rest of the default pack holds. */
const SEASONED = ['first-use'];
const MODEL_USER = 'purchasing/support';

export async function demo(options: DemoOptions): Promise<number> {
  const out = resolve(options.out ?? 'corral-report');
  await mkdir(out, { recursive: true });
  const scratch = await mkdtemp(join(tmpdir(), 'corral-demo-'));
  // A process that is interrupted ends without its `finally`.
  const forget = () => rmSync(scratch, { recursive: true, force: true });
  process.once('exit', forget);
  const [shop, model] = await Promise.all([shopTools(join(EXAMPLES, 'purchasing', 'mail')), modelOfShop()]);
  const tools = [...shop.tools, model.tool];
  const host = await startHost({
    data: undefined,
    tenants: {
      shop: { tools, policies: { current: await loadPolicies(tools, [await defaultPack(SEASONED)]) } },
      crew: { tools: [...(await readingTools(PACKAGES)), ...(await writingTools(out))] },
      zoo: { tools: await readingTools(scratch), loops: ZOO_LOOPS },
    },
  });
  let live: Live | undefined;
  try {
    const { supervisor } = host;
    // A provider may refuse the key, and its model may give no answer.
    const fleet = new Fleet(supervisor, EXAMPLES, new Set(model.gullible ? [] : [MODEL_USER]));
    const owner = scriptedOwner(supervisor, 'shop', OWNER_MS);
    const passes: Pass[] = [];
    const footer = () => {
      const { done, total } = fleet.progress;
      const [first] = passes;
      const before = first === undefined ? '' : ` · alone it took ${duration(first.took_ms)}, p99 of a call ${duration(first.p99_ms)}`;
      if (total === 0) return fleet.begun ? 'the crew looks for packages …' : 'bundling the examples …';
      const busy = owner.busy();
      const pass = first === undefined ? 'first pass, the crew alone' : 'second pass, beside the others';
      return `${pass}: ${done} of ${total} packages found so far${before}${busy === '' ? '' : ` · ${busy}`}`;
    };
    if (options.json !== true) {
      live = new Live({ stream: process.stdout, supervisor, title: wallsLine(host.walls), footer, ended: (view) => markOf(view, fleet) });
    }
    await fleet.deploy([CREW, ...SHOP, ...ZOO]);
    passes.push(await fleet.run('alone', CREW, []));
    const alone = await readFile(join(out, 'licenses.json'), 'utf8');
    passes.push(await fleet.run('beside the zoo', CREW, [...SHOP, ...ZOO]));
    const sameReport = alone === (await readFile(join(out, 'licenses.json'), 'utf8'));
    live?.close();
    owner.stop();
    const purchasing = {
      ...shop.ledger,
      asked: owner.asked,
      model: model.said,
      answered: fleet.reports.find(({ agent }) => agent === MODEL_USER)?.outcome ?? '',
      as_expected: isAsExpected(shop.ledger, owner.asked, model),
    };
    const [first, second] = passes as [Pass, Pass];
    const ok = sameReport && fleet.reports.every((report) => report.ok) && second.lost === 0 && purchasing.as_expected;
    if (options.json === true) {
      const document = {
        ok,
        walls: wallsLine(host.walls),
        runs: fleet.reports,
        crew: { packages: second.packages, lost: second.lost, same_report: sameReport, alone: first, beside_the_zoo: second },
        purchasing,
        report: out,
      };
      process.stdout.write(`${printableJson(document, 2)}\n`);
    } else process.stdout.write(summary(fleet.reports, first, second, sameReport, purchasing, out));
    return ok ? EXIT.ok : EXIT.outcome;
  } finally {
    live?.close();
    await host.close();
    process.off('exit', forget);
    forget();
  }
}

/** Readers come by the hundred and are only counted in the footer; every other run gets a row when it ends. */
function markOf(view: RunView, fleet: Fleet): { mark: string; note: string; outcome: string } | undefined {
  const report = fleet.reports.findLast((one) => one.run === view.id);
  if (report === undefined || (view.agent === 'license-audit/reader' && report.ok)) return undefined;
  return { mark: report.ok ? '✓' : `✗ expected ${report.expected}`, note: lateness(report), outcome: report.outcome };
}

/** Milliseconds after its limit; 0 without one. */
const lateBy = ({ limit_ms, ended_after_ms }: RunReport): number => (limit_ms === null ? 0 : ended_after_ms - limit_ms);

function lateness(report: RunReport): string {
  return report.limit_ms === null ? '' : `${lateBy(report)} ms after its limit`;
}

interface Purchasing {
  readonly payments: readonly Payment[];
  readonly mails: readonly unknown[];
  readonly asked: readonly Asked[];
  /** Names the model of purchasing/support. */
  readonly model: string;
  /** How its run ended. */
  readonly answered: string;
  readonly as_expected: boolean;
}

/** Whether the shop paid, mailed and asked exactly what its example says. */
function isAsExpected({ payments, mails }: ShopLedger, asked: readonly Asked[], { gullible }: ShopModel): boolean {
  const expected = gullible ? SHOP_EXPECTED.asked : SHOP_EXPECTED.asked.filter(({ agent }) => agent !== MODEL_USER);
  // A provider's model may try to pay; the owner then refuses.
  const known = gullible ? asked : asked.filter(({ agent, verdict }) => agent !== MODEL_USER || verdict !== 'deny');
  const seen = {
    payments: payments.map(({ to, amount, reference }) => ({ to, amount, reference })),
    mails,
    asked: known.map(({ agent, tool, rules, verdict }) => ({ agent, tool, rules, verdict })).toSorted(byAgent),
  };
  return isDeepStrictEqual(seen, { ...SHOP_EXPECTED, asked: expected.toSorted(byAgent) });
}

const byAgent = (a: { readonly agent: string }, b: { readonly agent: string }): number =>
  a.agent < b.agent ? -1 : Number(a.agent > b.agent);

/** Loaded beside the tools, since what knows providers takes a moment. */
const modelOfShop = async (): Promise<ShopModel> => (await import('../shop-model.ts')).shopModel(process.env);

/** The sentence of a text in which a value stands; the whole text if no sentence has it. */
export function sentenceOf(text: string, value: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  const sentences = [...new Intl.Segmenter('en', { granularity: 'sentence' }).segment(line)];
  return sentences.find(({ segment }) => segment.includes(value))?.segment.trim() ?? line;
}

function shopLines(
  { payments, mails, asked, model, answered, as_expected }: Purchasing,
  paint: (style: 'red', text: string) => string,
): string[] {
  return [
    `The model of ${MODEL_USER} is ${model}. The run ended: ${answered}.`,
    ...asked.flatMap((one) => {
      const { to, amount } = one.input as Payment;
      const said = one.verdict === 'approve' ? 'approved' : 'refused';
      const cause = one.strangers.find(({ path }) => path === 'to');
      return [
        `${one.agent} asked to pay ${amount} EUR to ${to} (${one.rules.join(', ')}): ${said} by ${one.by} after ${duration(one.after_ms)}, ${one.reason}`,
        ...(cause === undefined
          ? []
          : [`  the account stands in ${cause.source}: ${JSON.stringify(printable(sentenceOf(cause.text, to)))}`]),
      ];
    }),
    `paid: ${payments.map(({ amount, reference }) => `${amount} EUR for ${reference}`).join(', ')} · mails sent: ${mails.length} · to the author of the hostile mail: ${as_expected ? 'nothing' : paint('red', 'NOT AS EXPECTED')}`,
  ];
}

function summary(
  reports: readonly RunReport[],
  first: Pass,
  second: Pass,
  sameReport: boolean,
  purchasing: Purchasing,
  out: string,
): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string) => styleText(style, text, { stream: process.stdout });
  const zoo = reports.filter((report) => report.pass !== 'alone' && report.tenant !== 'shop' && !report.agent.startsWith('license-audit'));
  const wrong = reports.filter((report) => !report.ok).length;
  const late = zoo.filter((report) => lateBy(report) > LATE_MS);
  const readers = reports.filter((report) => report.agent === 'license-audit/reader' && report.pass !== 'alone').length;
  const lines = [
    '',
    paint('bold', 'Agents that misbehaved'),
    ...endedTable(zoo),
    '',
    paint('bold', 'The crew, meanwhile'),
    `${second.packages} packages audited by ${readers} readers in ${duration(second.took_ms)} (alone: ${duration(first.took_ms)})`,
    `${second.lost} calls lost · p99 of a call with/without the zoo ${duration(second.p99_ms)} / ${duration(first.p99_ms)} · report ${sameReport ? 'the same, byte for byte' : paint('red', 'DIFFERS')}`,
    `the report: ${relative(process.cwd(), join(out, 'licenses.md')) || out}`,
    '',
    paint('bold', 'The purchasing crew, with a hostile mail in its inbox'),
    ...shopLines(purchasing, paint),
    '',
    ...verdictLines(reports, wrong, late, sameReport && purchasing.as_expected).map(([colour, line]) => paint(colour, line)),
  ];
  return `${lines.flatMap((line) => wrapWords(line, process.stdout.columns ?? WIDTH)).join('\n')}\n`;
}

/** Why another demo may have another number of runs. */
function branchesLine(reports: readonly RunReport[]): string {
  const branches = reports.filter(({ agent }) => agent === 'zoo/fork-tree/branch').length;
  return branches === 0
    ? ''
    : ` ${branches} of them branched off zoo/fork-tree, which gets further in one demo than in another before it is stopped.`;
}

/** The last lines, each with its colour. */
export function verdictLines(
  reports: readonly RunReport[],
  wrong: number,
  late: readonly RunReport[],
  restAsExpected: boolean,
): (readonly ['green' | 'yellow' | 'red', string])[] {
  const runs = (n: number) => `${n} ${n === 1 ? 'run' : 'runs'}`;
  return [
    ...(wrong === 0
      ? [['green', `Every one of ${reports.length} runs ended as its example says.${branchesLine(reports)}`] as const]
      : [
          [
            'red',
            `${runs(wrong)} of ${reports.length} ended otherwise than ${wrong === 1 ? 'its example says' : 'their examples say'}.`,
          ] as const,
        ]),
    ...(restAsExpected ? [] : [['red', 'The crew’s report or what the shop did is not what the examples say.'] as const]),
    ...(late.length === 0
      ? []
      : [
          [
            'yellow',
            `${runs(late.length)} ended late, which means more than ${LATE_MS} ms after a limit: ${late.map((one) => `${one.agent} (${one.run}, ${lateBy(one)} ms)`).join(', ')}. A busy machine does that; the limit held.`,
          ] as const,
        ]),
  ];
}

/** A row for all runs of an agent that ended alike; the latest of them says how late it was. */
export function endedTable(reports: readonly RunReport[]): string[] {
  const rows = new Map<string, { readonly worst: RunReport; readonly count: number }>();
  for (const report of reports) {
    const key = `${report.agent} ${report.tenant} ${report.outcome} ${report.expected}`;
    const { worst = report, count = 0 } = rows.get(key) ?? {};
    rows.set(key, { worst: lateBy(report) > lateBy(worst) ? report : worst, count: count + 1 });
  }
  return table(
    [{ title: 'AGENT' }, { title: '', align: 'right' }, { title: 'TENANT' }, { title: 'ENDED' }, { title: '' }, { title: '' }],
    [...rows.values()].map(({ worst, count }) => [
      worst.agent,
      count === 1 ? '' : `×${count}`,
      worst.tenant,
      worst.outcome,
      lateness(worst),
      worst.ok ? '✓' : `✗ expected ${worst.expected}`,
    ]),
  );
}
