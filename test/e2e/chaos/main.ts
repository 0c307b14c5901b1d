/**
 * `npm run chaos -- [--runs N] [--kills N] [--json]`: a whole pass, with real processes and signals.
 * `npm run chaos -- --race N`: that many wake-ups raced against parking.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chaos } from './chaos.ts';
import { race } from './race.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '500' },
    kills: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
    race: { type: 'string' },
  },
});
if (values.race !== undefined) {
  const raced = await race(Number(values.race), (text) => process.stderr.isTTY && process.stderr.write(`\r\u001b[K${text}`));
  console.log(JSON.stringify(raced, null, 2));
  process.exit(raced.wrong.length === 0 ? 0 : 1);
}
const folder = await mkdtemp(join(tmpdir(), 'corral-chaos-'));
const say = (text: string) => process.stderr.isTTY && process.stderr.write(`\r\u001b[K${text}`);
const result = await chaos({ folder, runs: Number(values.runs), kills: Number(values.kills), say });
await rm(folder, { recursive: true, force: true });
if (values.json) console.log(JSON.stringify(result, null, 2));
else {
  const { runs, kills, resolved, resumed, lost, duplicated, otherwise } = result;
  console.log(
    `\n${runs} runs, ${kills.host} hosts and ${kills.cells} cells killed, ${resolved} calls resolved and ${resumed} suspect runs resumed by hand`,
  );
  console.log(`${lost.length} lost, ${duplicated.length} duplicated, ${otherwise.length} ended otherwise`);
  for (const line of [...lost, ...duplicated, ...otherwise].slice(0, 20)) console.log(`  ${line}`);
}
process.exit(result.lost.length + result.duplicated.length === 0 ? 0 : 1);
