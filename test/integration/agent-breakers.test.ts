/** Agents whose runs keep failing rest for a while: they are neither submitted nor spawned, and tried again later. */
import { describe, expect, test } from 'vitest';
import type { LoopOptions } from '@corral/supervisor';
import { tool, world, type WorldOptions } from '../world.ts';
import { movableClock } from '../clock.ts';
import { agentFile } from '../agents/file.ts';

const BREAKER: LoopOptions = { breaker: { least: 3, window: 5, failed: 0.6, rest_ms: 400, tries: 1 } };
const resting = (loops: LoopOptions | false, options: WorldOptions = {}) =>
  world([], { tenants: { crew: { tools: [], loops } }, ...options });
/** Fails for as long as its input says so. */
const FAILS = `{ name: 'fails', run({ input }) { if (input.fail) throw new Error('no'); return 'well'; } }`;

describe('a version whose runs keep failing', () => {
  test('rests: a submit is refused with a retryable error, and one run is let through to try when the rest is over', async () => {
    const { clock, forward } = movableClock();
    const w = await resting(BREAKER, { clock });
    const version = await w.deploy(FAILS);
    const one = async (fail: boolean) => (await (await w.submit(version, { fail })).ended).kind;
    for (let i = 0; i < 3; i++) expect(await one(true)).toBe('failed');
    await expect(w.submit(version, { fail: false })).rejects.toMatchObject({
      code: 'CORRAL_AGENT_RESTS',
      retryable: true,
      message: expect.stringMatching(/3 of its last 3 runs did not complete, the last as failed\(.*tried again in 1 s/u),
    });
    expect(w.supervisor.loops.breakers.resting()).toMatchObject([{ agent: 'fails', version: version.version, state: 'open' }]);
    forward(450);
    // It still fails: the next rest is longer.
    expect(await one(true)).toBe('failed');
    forward(450);
    await expect(w.submit(version, { fail: false })).rejects.toMatchObject({ code: 'CORRAL_AGENT_RESTS' });
    forward(450);
    expect(await one(false)).toBe('completed');
    expect(w.supervisor.loops.breakers.resting()).toEqual([]);
    expect(await one(false)).toBe('completed');
    const told = w.seen.filter(({ kind }) => kind === 'resting' || kind === 'rested').map(({ kind }) => kind);
    expect(told).toEqual(['resting', 'resting', 'rested']);
  });

  test('is not spawned either, and its parent can do something else', async () => {
    const w = await resting({ breaker: { ...BREAKER.breaker, rest_ms: 60_000 } });
    const outcome = await w.run(agentFile('family/spawns-what-fails'));
    expect(outcome).toMatchObject({ kind: 'completed' });
    const output = JSON.stringify(outcome);
    expect(output.match(/failed/gu)).toHaveLength(3);
    expect(output).toMatch(/CORRAL_AGENT_RESTS|denied/u);
  });

  test('is tried by another run where the one that was to try never begins', async () => {
    const { clock, forward } = movableClock();
    const w = await resting({ breaker: { ...BREAKER.breaker, rest_ms: 60_000 } }, { clock });
    const version = await w.deploy(agentFile('family/leaves-its-child'));
    const output = async (input: object) => {
      const outcome = await (await w.submit(version, input)).ended;
      return outcome.kind === 'completed' ? outcome.output : outcome;
    };
    for (let i = 0; i < 3; i++) expect(await output({ fail: true })).toBe('failed');
    forward(60_001);
    expect(await output({ leaves: true })).toBe('gone');
    expect(await output({})).toBe('completed');
  });

  test('goes on where its tenant says nothing, and another version of the agent goes on anyway', async () => {
    const open = await resting({});
    const failing = await open.deploy(FAILS);
    for (let i = 0; i < 12; i++) await (await open.submit(failing, { fail: true })).ended;
    expect((await (await open.submit(failing, { fail: false })).ended).kind).toBe('completed');
    const w = await resting({ breaker: { ...BREAKER.breaker, rest_ms: 60_000 } });
    const bad = await w.deploy(FAILS);
    for (let i = 0; i < 3; i++) await (await w.submit(bad, { fail: true })).ended;
    const mended = await w.deploy(FAILS.replace("'well'", "'better'"));
    expect(await (await w.submit(mended, {})).ended).toEqual({ kind: 'completed', output: 'better' });
  });

  test('is not judged by runs that were given less than it asks for, nor by runs that went past a limit', { tags: 'long' }, async () => {
    const tools = [tool('mail.read', () => 'hello', { readOnly: true })];
    const w = await world(tools, { tenants: { crew: { tools, loops: { breaker: { least: 1, failed: 1, rest_ms: 60_000 } } } } });
    const reader = await w.deploy(
      `{ name: 'reader', uses: { read: 'tool:mail.read' }, async run({ caps }) { return await caps.read({}); } }`,
    );
    for (const less of [{ grants: { read: { uses: 0 } } }, { grants: { read: { rights: ['delegate' as const] } } }])
      expect((await (await w.submit(reader, {}, less)).ended).kind).toBe('failed');
    expect((await (await w.submit(reader, {}, { budget: { calls: 0 } })).ended).kind).toBe('exceeded');
    const busy = await w.deploy(`{ name: 'busy', budget: { cpu_ms: 50 }, run() { for (;;); } }`);
    expect((await (await w.submit(busy)).ended).kind).toBe('exceeded');
    const parent = await w.deploy(agentFile('family/gives-less'));
    expect(await (await w.submit(parent, { less: true })).ended).toEqual({ kind: 'completed', output: 'failed' });
    // The child lacks too what a submitter takes from the parent.
    const above = await w.submit(parent, {}, { grants: { read: { uses: 0 } } });
    expect(w.supervisor.loops.breakers.resting()).toEqual([]);
    expect(await above.ended).toEqual({ kind: 'completed', output: 'failed' });
    expect(w.supervisor.loops.breakers.resting()).toEqual([]);
    expect(w.seen.filter(({ kind }) => kind === 'resting')).toEqual([]);
    expect(await (await w.submit(reader)).ended).toEqual({ kind: 'completed', output: 'hello' });
  });

  test('is not judged by what people stop', async () => {
    const w = await resting({ breaker: { least: 1, failed: 1, rest_ms: 60_000 } });
    const sleeper = await w.deploy(`{ name: 'sleeper', async run({ sleep }) { await sleep(60000); } }`);
    for (let i = 0; i < 3; i++) {
      const { id, ended } = await w.submit(sleeper);
      await w.supervisor.control.kill(id, 'ada', 'enough');
      expect((await ended).kind).toBe('killed');
    }
    expect(w.supervisor.loops.breakers.resting()).toEqual([]);
  });
});
