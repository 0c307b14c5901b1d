/** `npm run escape`: other people's payloads against a host with canaries. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { Arena, type Came, type Payload } from './arena.ts';
import { deaths } from './deaths.ts';

const HELP = `npm run escape -- --payloads FILE.jsonl [--json] [--only isolate|cell]

Runs payloads, one a line as {"id": "…", "code": "…"}, in an isolate of a real host, and once more directly in a cell's place. The code may
be an expression, statements, or the body of an async function; \`canary\` in it names the file, the variable and the process that it is
after. What it returns or throws is searched for the canaries: a variable of the host's environment, a file beside its data, and a secret
in a run of another tenant. Progress goes to standard error, the report to standard output.

  --payloads FILE  the payloads; a line that is none is reported, and the others go on
  --only WHERE     isolate or cell
  --json           the report as JSON
  --deaths N       no payloads: code in a cell's place attempts what it may not, N times each, and the time until it is dead is told

Ends with 1 if a canary moved, the host crashed, or a process was left; with 2 if no payload could be read.

Examples:
  npm run escape -- --payloads test/escape/example.jsonl
  npm run escape -- --payloads mine.jsonl --only cell --json > report.json
`;

const Line = z.object({ id: z.string().min(1).max(200), code: z.string().max(500_000) });
const WAYS = ['isolate', 'cell'] as const;
type Way = (typeof WAYS)[number];

function options() {
  try {
    const { values } = parseArgs({
      options: {
        payloads: { type: 'string' },
        only: { type: 'string' },
        deaths: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(HELP);
      process.exit(0);
    }
    if (values.deaths !== undefined) return { deaths: rounds(values.deaths), file: '', ways: [], json: values.json };
    if (values.payloads === undefined) throw new Error('--payloads FILE.jsonl is missing.');
    if (values.only !== undefined && !WAYS.includes(values.only as Way))
      throw new Error(`--only takes isolate or cell, not ${values.only}.`);
    return { deaths: undefined, file: values.payloads, ways: values.only === undefined ? WAYS : [values.only as Way], json: values.json };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

/** @throws Error if it is not a number from 1 on */
function rounds(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--deaths takes a number of rounds, not ${text}.`);
  return number;
}

const chosen = options();
const { file, ways, json } = chosen;
if (chosen.deaths !== undefined) {
  const all = await deaths(chosen.deaths, ({ attempt, median_ms, most_ms, ended, ...death }) => {
    if (!json)
      process.stdout.write(`${attempt}: dead after ${median_ms} ms (at most ${most_ms} of ${death.rounds}), ${ended.join(', ')}\n`);
  });
  if (json) process.stdout.write(`${JSON.stringify({ deaths: all })}\n`);
  process.exit(0);
}
const payloads: Payload[] = [];
const bad: { readonly line: number; readonly error: string }[] = [];
let at = 0;
try {
  for await (const text of createInterface({ input: createReadStream(file, 'utf8') })) {
    at += 1;
    if (text.trim() === '') continue;
    try {
      payloads.push(Line.parse(JSON.parse(text)));
    } catch (error) {
      const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : String(error);
      bad.push({ line: at, error: why.slice(0, 300) });
      process.stderr.write(`line ${at} is not a payload: ${why.slice(0, 300)}\n`);
    }
  }
} catch (error) {
  process.stderr.write(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}
if (payloads.length === 0) {
  process.stderr.write('There is no payload to run.\n');
  process.exit(2);
}

const arena = await Arena.start();
const results: { readonly id: string; readonly where: Way; readonly came: Came }[] = [];
try {
  for (const [i, payload] of payloads.entries())
    for (const where of ways) {
      const came = await (where === 'isolate' ? arena.inIsolate(payload) : arena.inCell(payload));
      results.push({ id: payload.id, where, came });
      const what = [...came.moved, ...(came.crashed ? ['HOST CRASHED'] : []), ...(came.survivors > 0 ? ['PROCESS LEFT'] : [])];
      process.stderr.write(
        `${i + 1}/${payloads.length} ${payload.id} (${where}): ${came.ended}${what.length === 0 ? '' : `  MOVED: ${what.join(', ')}`}\n`,
      );
    }
} finally {
  await arena.close();
}
const names = (keeps: (came: Came) => boolean) => results.filter(({ came }) => keeps(came)).map(({ id, where }) => `${id} (${where})`);
const report = {
  payloads: payloads.length,
  canaries_moved: names(({ moved }) => moved.length > 0),
  host_crashes: names(({ crashed }) => crashed),
  survivors: names(({ survivors }) => survivors > 0),
  not_applicable: names(({ applies }) => !applies),
  bad_lines: bad,
  results: results.map(({ id, where, came }) => ({ id, where, ...came })),
};
if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
else
  process.stdout.write(
    `${report.payloads} payloads: ${report.canaries_moved.length} canaries moved, ${report.host_crashes.length} host crashes, ${report.survivors.length} survivors, ${report.not_applicable.length} not applicable, ${bad.length} bad lines\n`,
  );
process.exitCode = report.canaries_moved.length + report.host_crashes.length + report.survivors.length > 0 ? 1 : 0;
