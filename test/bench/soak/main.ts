/** `npm run bench -- soak`: arguments, output and exit code. */
import { parseArgs } from 'node:util';
import type { Account } from './account.ts';
import { soak } from './soak.ts';

const SHOWN = 20;
const HELP = `npm run bench -- soak [--minutes N] [--every N] [--calm N] [--rate N] [--json] [--keep]

A real host under mixed work, stopped by SIGTERM and by SIGKILL in turn, and an account of all of it.

  --minutes N   how long there is work (60); settling comes after it
  --every N     minutes from one stop of the host to the next (5)
  --calm N      minutes at the end in which the host is not stopped (0), so that memory is watched over one long life
  --rate N      pieces of work a second (3)
  --json        prints the account as JSON
  --keep        keeps the folder, with the host's log and data, and says where it is

Ends with 1 if something was lost, done twice, wrong, or runnable for more than 10 s while the host was up.
`;

/** @returns the exit code */
export async function soakMain(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '60' },
      every: { type: 'string', default: '5' },
      calm: { type: 'string', default: '0' },
      rate: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [minutes, every, calm, rate] = [values.minutes, values.every, values.calm, values.rate].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  if (!(minutes > 0 && every >= 0.5 && calm >= 0 && rate > 0)) {
    process.stderr.write(HELP);
    return 2;
  }
  const say = (text: string) => process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`);
  const result = await soak({ minutes, every, calm, rate, keep: values.keep, say });
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : `\n${table(result)}\n`);
  const { lost, twice, wrong, old } = result;
  return lost.length + twice.length + wrong.length + old.length === 0 ? 0 : 1;
}

function table(result: Account): string {
  const { lost, twice, wrong, old, stops, memory, descriptors, webhooks, settled, decided, load } = result;
  const slope = (value: number | null) => (value === null ? 'too short to say' : `${value}`);
  const grown = (unit: string, one: Account['descriptors']) =>
    `at rest ${one.first} → ${one.last}, most ${one.most} ${unit}; an hour: within a life ${slope(one.slope_an_hour)}, at rest ${slope(one.idle_slope_an_hour)}`;
  const rows: (readonly [string, string])[] = [
    ['time', `${result.minutes} min, a stop every ${result.every} min${result.calm > 0 ? `, the last ${result.calm} min without` : ''}`],
    ['load of the machine', `${load.mean} on average, ${load.most.toFixed(1)} at most`],
    ['accepted', `${result.accepted} at ${result.rate}/s; ${result.runs} runs in all; ${result.held_back} held back`],
    [
      'stops',
      `${stops.SIGTERM} SIGTERM, ${stops.SIGKILL} SIGKILL; a start took ${result.start_ms.p50} ms, ${result.start_ms.most} at most`,
    ],
    ['lost', `${lost.length}`],
    ['done twice', `${twice.length}`],
    ['otherwise wrong', `${wrong.length}`],
    ['oldest runnable run', `${(result.oldest_runnable_ms / 1000).toFixed(1)} s of ${result.looks} looks; over 10 s: ${old.length}`],
    ['latest wake of a sleeper', `${(result.latest_wake_ms / 1000).toFixed(1)} s`],
    ['unknown results', `${settled.retry} made again, ${settled.fail} said to have failed`],
    ['approvals', `${decided.approve} approved, ${decided.deny} denied, ${result.left_to_expire} left to expire`],
    [
      'webhooks',
      `${webhooks.taken} taken, ${webhooks.again} of them more than once, ${webhooks.refused} attempts failed, ${webhooks.pending} wait, ${webhooks.given_up} given up`,
    ],
    ['followers', `${result.heard.events} events, ${result.heard.connections} connections, ${result.heard.resets} resets`],
    ['memory of the host', grown('MiB', memory.host)],
    ['memory of its children', grown('MiB', memory.cells)],
    ['descriptors of the host', grown('', descriptors)],
    ['disk', `${result.disk_kib_a_run} KiB a run`],
    ['settled', result.settled_ms === null ? 'not in time' : `${(result.settled_ms / 1000).toFixed(0)} s after the last work`],
    ...(result.folder === null ? [] : [['folder', result.folder] as const]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const found = [...lost, ...twice, ...wrong, ...old].slice(0, SHOWN).map((line) => `  ${line}`);
  return [...rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`), ...found].join('\n');
}
