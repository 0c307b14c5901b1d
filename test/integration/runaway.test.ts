/** Amounts that will run out: foretold while there is time, in what people read. */
import { expect, test } from 'vitest';
import { DETECTORS } from '@corral/policy/detection/list';
import type { RunId } from '@corral/protocol/ids';
import type { Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { Entry } from '@corral/protocol/model/run';
import { explain } from '@corral/server/evidence/journal';
import { readingTool, world } from '../world.ts';
import type { AgentSource } from '../bundles.ts';
import { agentFile } from '../agents/file.ts';
import { until } from '../until.ts';

const none = { notice: null, slow: null, pause: null, kill: null };
const ladder = { detectors: { ...Object.fromEntries(DETECTORS.map((name) => [name, none])), runaway: { ...none, notice: 0.3 } } };
const look = readingTool('look', () => ({ text: 'x'.repeat(2000) }));

/** Goes on at a steady pace. */
const pacing = (body: string) =>
  `{ name: 'steady', uses: { look: 'tool:look' }, async run({ caps, sleep }) { const kept = []; for (let i = 0; ; i++) { ${body}; await sleep(80); } } }`;
/** Each crank takes so little of its amount that there are dozens of them, also on a machine that is slow just then. */
const CASES: readonly (readonly [string, AgentSource, { budget?: Budget; ceilings?: CeilingsRequest }])[] = [
  ['calls', pacing('await caps.look({ i })'), { budget: { calls: 150 } }],
  ['bytes', pacing('await caps.look({ i })'), { budget: { bytes: 400_000 } }],
  ['messages', agentFile('family/writes-steadily'), { budget: { messages: 150 } }],
  ['cpu_ms', pacing('for (let j = 0; j < 1e6; j++) kept[0] = j'), { budget: { cpu_ms: 1200 } }],
  ['memory', pacing('kept.push(new Array(30_000).fill(i + 0.5))'), { ceilings: { memory_mib: 48 } }],
];

const FORETOLD = 'is said to, before it has, and how long that will take';
test(`a run that will use up its calls ${FORETOLD}`, () => expectForetold(CASES.slice(0, 1)), 90_000);
test(`a run that will use up its bytes, messages, CPU time or memory ${FORETOLD}`, { tags: 'long' }, () => expectForetold(CASES.slice(1)));

async function expectForetold(cases: typeof CASES): Promise<void> {
  const w = await world([look], { tenants: { crew: { tools: [look], loops: { ladder } } } });
  const told = (run: RunId) => w.seen.flatMap((one) => (one.kind === 'step' && one.run === run ? [one.reason] : []));
  const runs: { readonly name: string; readonly id: RunId }[] = [];
  for (const [name, source, more] of cases) runs.push({ name, id: (await w.submit(await w.deploy(source), {}, more)).id });
  await Promise.all(
    runs.map(async ({ name, id }) => {
      await until(() => told(id).length > 0 || w.supervisor.view(id) === undefined);
      const [first] = told(id);
      expect(first).toMatch(
        new RegExp(`^runaway \\(\\d+ % sure\\): Exceeds its ${name} in \\d+ s: [\\d.]+ of [\\d.]+ used, [\\d.]+ a second`, 'u'),
      );
      expect(await why(id)).toMatch(new RegExp(`was notified[\\s\\S]*Exceeds its ${name} in \\d+ s`, 'u'));
      await w.supervisor.control.kill(id, 'test', 'seen');
    }),
  );

  async function why(run: RunId): Promise<string> {
    const entries: Entry[] = [];
    await until(async () => {
      entries.splice(0, entries.length, ...(await w.store.journal(run)));
      return entries.some(({ event }) => event?.kind === 'step');
    }, 'a step against the run is in its journal');
    const pages = (async function* () {
      yield entries;
    })();
    return (await explain(run, (await w.store.run(run))?.status as never, w.supervisor.view(run), pages)).because.join('\n');
  }
}
