/** `npm run bench -- NAME [--json]`: measures and prints figures. Only `soak` can fail. */
import { api } from './api.ts';
import { awaits } from './awaits.ts';
import { callClosed, callEffect } from './calls.ts';
import { commands } from './commands.ts';
import { consoleViews } from './console.ts';
import { decide } from './decide.ts';
import { detect } from './detect.ts';
import { everything } from './everything.ts';
import { MACHINE, type Figure } from './measure.ts';
import { http } from './http.ts';
import { images } from './images.ts';
import { fields } from './fields.ts';
import { isolation } from './isolation.ts';
import { lists } from './lists.ts';
import { mcp } from './mcp.ts';
import { model } from './model.ts';
import { prompts } from './prompts.ts';
import { coldStarts, density, kill, pause, runs } from './starts.ts';
import { flood } from './flood.ts';
import { soakMain } from './soak/main.ts';
import { journal, parked, resume } from './survive.ts';
import { telemetry } from './telemetry.ts';
import { turns } from './turns.ts';
import { wakeUps } from './wakeups.ts';

const BENCHMARKS: Readonly<Record<string, () => Promise<Figure | Figure[]>>> = {
  'cold-start': coldStarts,
  'call-closed': callClosed,
  'call-effect': callEffect,
  runs,
  flood,
  kill,
  pause,
  density,
  isolation,
  images,
  awaits,
  api,
  lists,
  resume,
  parked,
  journal,
  'wake-ups': wakeUps,
  decide,
  detect,
  everything,
  fields,
  turns,
  telemetry,
  mcp,
  model,
  http,
  prompts,
  commands,
  console: consoleViews,
};

// The soak has no figures with floors, and takes its own arguments.
if (process.argv[2] === 'soak') process.exit(await soakMain(process.argv.slice(3)));

const names = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const json = process.argv.includes('--json');
const unknown = names.find((name) => !(name in BENCHMARKS));
if (unknown !== undefined || names.length === 0) {
  console.error(
    `${unknown === undefined ? 'Which?' : `There is no benchmark ${unknown}.`} There are: ${[...Object.keys(BENCHMARKS), 'soak'].join(', ')}; several may be named, soak only alone.`,
  );
  process.exit(2);
}

const figures: (Figure & { machine: typeof MACHINE })[] = [];
for (const name of names) {
  const made = await (BENCHMARKS[name] as () => Promise<Figure | Figure[]>)();
  for (const figure of Array.isArray(made) ? made : [made]) figures.push({ ...figure, machine: MACHINE });
}
if (json) console.log(JSON.stringify(figures.length === 1 ? figures[0] : figures, null, 2));
else {
  for (const { name, unit, figure, floor, ratio, note } of figures) {
    const text = (one: Figure['figure']) => ('value' in one ? `${one.value}` : `p50 ${one.p50} p99 ${one.p99}`);
    console.log(
      `${name.padEnd(28)} ${text(figure).padEnd(26)} floor ${text(floor).padEnd(26)} ${unit.padEnd(8)} ratio ${ratio}${note === undefined ? '' : `\n${' '.repeat(29)}${note}`}`,
    );
  }
}
process.exit(0);
