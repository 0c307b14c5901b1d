/** The configuration of loop detection is checked with helpful words, shown, and in force. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { defineConfig } from '@corral/server/config';
import { loadConfig } from '@corral/server/config/load';
import { front, HELLO, shortFolder } from '../front.ts';

const LOOPS = {
  ladder: { detectors: { drift: { pause: 0.6 }, stuck: { kill: null } }, grace_events: 2 },
  agents: { crawler: { detectors: { repeat: { kill: 0.9 } } } },
  slow_ms: 20,
  breaker: { least: 3, failed: 0.5, rest_ms: 60_000 },
};

async function refusal(loops: unknown): Promise<string> {
  const file = join(await shortFolder(), 'corral.config.json');
  await writeFile(file, JSON.stringify({ tenants: { local: { loops } } }));
  return loadConfig(file, {}).then(
    () => 'accepted',
    (error: Error) => error.message,
  );
}

describe('what a configuration says about loops', () => {
  test('is in force and shown', async () => {
    const { admin, host } = await front({ configText: JSON.stringify({ tenants: { local: { loops: LOOPS }, lab: { loops: false } } }) });
    const shown = await admin.showConfig({});
    expect(shown.config).toMatchObject({ tenants: { local: { loops: LOOPS }, lab: { loops: false } } });
    expect(host.door.settings.inForce().tenants).toMatchObject({ local: { loops: LOOPS }, lab: { loops: false } });
  });

  test('that names an agent which nobody has deployed holds all the same, and a check says so', async () => {
    const folder = await shortFolder();
    const config = join(folder, 'corral.config.json');
    await writeFile(config, '{}');
    const { admin, deploy } = await front({ config });
    await deploy(HELLO);
    await writeFile(config, JSON.stringify({ tenants: { local: { loops: { agents: { helo: {}, hello: {} } } } } }));
    expect((await admin.checkConfig({})).notes).toEqual(['tenants.local.loops.agents: local has no agent helo yet; did you mean hello?']);
    expect((await admin.applyConfig({})).notes).toHaveLength(1);
  });

  test('can be written in a configuration in TypeScript', () => {
    expect(
      defineConfig({ tenants: { local: { loops: { ...LOOPS, tools: { 'fs.read': { detectors: { repeat: { notice: null } } } } } } } }),
    ).toBeDefined();
  });

  test.each([
    [
      { ladder: { detectors: { repeet: { notice: 0.5 } } } },
      'tenants.local.loops.ladder.detectors: there is no detector repeet; did you mean repeat?',
    ],
    [{ ladder: { detectors: { repeat: { halt: 0.5 } } } }, 'there is no step halt (steps: notice, slow, pause, kill)'],
    [
      { ladder: { detectors: { repeat: { kill: 2 } } } },
      'tenants.local.loops.ladder.detectors.repeat.kill: Too big: expected number to be <=1',
    ],
    [{ agents: { 'no name': {} } }, 'tenants.local.loops.agents.no name'],
    [{ tools: { 'shop.buy': {} } }, 'tenants.local.loops.tools: there is no tool shop.buy'],
    [{ slow_ms: 0 }, 'tenants.local.loops.slow_ms'],
    [{ breaker: { failed: 0 } }, 'tenants.local.loops.breaker.failed'],
    [{ laddder: {} }, 'tenants.local.loops: Unrecognized key: "laddder"'],
  ])('is refused where it is wrong, and says where and what there is: %j', async (loops, words) => {
    expect(await refusal(loops)).toContain(words);
  });
});
