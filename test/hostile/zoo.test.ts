/** Every agent of the zoo ends as its example says, and the crew beside it, in its tenant and in another, loses nothing. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ZOO, ZOO_LOOPS } from '@corral/examples/fleet';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import { readingTools } from '@corral/tools/fs';
import { bundleAgent } from '@corral/cli/bundle';
import { gate, readingTool, temporary, world, type World } from '../world.ts';
import { agentFile } from '../agents/file.ts';

const EXAMPLES = dirname(fileURLToPath(import.meta.resolve('@corral/examples/package.json')));

/** A run that is in the middle of something, and whose result shows whether anything was lost. */
async function bystander(w: World, tenant: string) {
  const version = await w.deploy(agentFile('crew/bystander'), tenant);
  const run = await w.submit(version, {}, { tenant });
  await w.until(run.id, (view) => view?.waiting === 'call');
  return run;
}

/** Those that cost the least of each kind of end; the demo has all of them, too. */
const SHORT = new Set(
  ['bigint', 'buffer-bomb', 'deadlock', 'forger', 'log-flood', 'misshapen', 'retry-storm', 'sleeper', 'stalled', 'uninvited'].map(
    (name) => `zoo/${name}.ts`,
  ),
);

const endsAsItSays = (member: (typeof ZOO)[number], how: { tags?: string }) => {
  test(`ends as ${JSON.stringify(member.expected)}, and costs its neighbours nothing`, how, async () => {
    const doors = gate();
    const tools = [...(await readingTools(await temporary())), readingTool('wait', ({ i }) => doors.opened.then(() => i))];
    const w = await world(tools, { tenants: { crew: { tools }, zoo: { tools, loops: ZOO_LOOPS } } });
    const paused = new Map<string, string>();
    w.supervisor.observe((seen) => {
      if (seen.kind !== 'step' || seen.step !== 'pause') return;
      paused.set(seen.run, `paused(${seen.detector})`);
      // A person looks, and ends it.
      void w.until(seen.run, (view) => view?.control !== 'none').then(() => w.supervisor.control.kill(seen.run, 'ada', 'seen'));
    });
    const neighbours = await Promise.all(['crew', 'zoo'].map((tenant) => bystander(w, tenant)));

    const version = await w.deployFile(join(EXAMPLES, member.file), member.tenant);
    const { ended } = await w.submit(version, member.input, { tenant: member.tenant });
    doors.open();
    await ended;
    for (const observation of w.seen) {
      if (observation.kind !== 'ended' || observation.view.agent === 'bystander') continue;
      const stopped = observation.outcome.kind === 'killed' ? paused.get(observation.run) : undefined;
      expect([observation.view.agent, stopped ?? outcomeText(observation.outcome)]).toEqual([
        observation.view.agent,
        member.expected[observation.view.agent],
      ]);
      expect(await w.store.run(observation.run)).toMatchObject({
        status: { lifecycle: 'ended', outcome: { kind: observation.outcome.kind } },
      });
    }
    const said = `${Array.from({ length: 20 }, (_, i) => i).join('')}true`;
    expect(await Promise.all(neighbours.map((one) => one.ended))).toEqual(neighbours.map(() => ({ kind: 'completed', output: said })));
  });
};

describe.each(ZOO.filter(({ file }) => SHORT.has(file)))('$file', (member) => {
  endsAsItSays(member, {});
});
describe.each(ZOO.filter(({ file }) => !SHORT.has(file)))('$file', (member) => {
  endsAsItSays(member, { tags: 'long' });
});

test('the bundler and the zoo are in step: every member’s file defines the agent it is listed for', async () => {
  for (const member of ZOO) {
    const { source } = await bundleAgent(join(EXAMPLES, member.file));
    for (const agent of Object.keys(member.expected)) expect(source).toContain(agent);
  }
});
