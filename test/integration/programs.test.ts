/** Programs that agents make at run time: each is a child run with what it is handed, and lives as long as one. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { householdOf } from '@corral/supervisor/cells/household';
import { agentFile } from '../agents/file.ts';
import { found, until } from '../until.ts';
import { gate, readingTool, temporary, tool, world, type World } from '../world.ts';

const PLANNER = agentFile('programs/runs-what-it-is-given');
const SUMS = agentFile('programs/sums');
const double = readingTool('read', ({ n }) => Number(n) * 2);
const note = tool('note', () => 'noted');

const childOf = (w: World, parent: RunId) => found(async () => (await w.store.runs({ parent }))[0], `the program of ${parent}`);

/** A host on which one agent runs the programs that are asked for. @returns how a program ended, as its parent was told */
async function planner(options?: Parameters<typeof world>[1]) {
  const w = await world([double, note], options);
  const version = await w.deploy(PLANNER);
  const ends = async (source: string, more: object = {}) => {
    const { id, ended } = await w.submit(version, { source, ...more });
    const outcome = await ended;
    return { id, end: outcome.kind === 'completed' ? outcome.output : outcome };
  };
  return { w, version, ends };
}

describe('a program', () => {
  test('works with its input and the capabilities that it is handed, logs, and returns', async () => {
    const { w, ends } = await planner();
    const { id, end } = await ends(`const log = await caps.read({ n: 4 });\nconsole.log('got', log);\nreturn { sum: log + input.more };`, {
      caps: ['read'],
      input: { more: 1 },
    });
    expect(end).toEqual({ kind: 'completed', output: { sum: 9 } });
    const child = await childOf(w, id);
    const effects = (await w.store.journal(child.record.id, 0)).flatMap((entry) => JSON.parse(entry.effects ?? '[]') as { kind: string }[]);
    expect(effects).toContainEqual({ kind: 'log', level: 'info', text: 'got 8' });
    expect(child.record).toMatchObject({ agent: 'planner', parent: { run: id }, spawn_depth: 1, caps: [{ alias: '' }, { alias: 'read' }] });
  });

  test('has no capability of its parent but those, and no way to start another run', async () => {
    const { ends } = await planner();
    expect(await ends(`return [Object.keys(caps), typeof spawn, typeof require, typeof process, typeof fetch]`)).toMatchObject({
      end: { output: [[], 'undefined', 'undefined', 'undefined', 'undefined'] },
    });
    expect(await ends('return 1;\nawait caps.note({});')).toMatchObject({ end: { output: 1 } });
    expect(await ends('\n\nawait caps.note({});', { caps: ['read'] })).toMatchObject({
      end: { kind: 'failed', code: 'CORRAL_CAP_NOT_GRANTED', message: /\(line 3 of the program\)$/ },
    });
    expect(await ends(`await corral.effect({ kind: 'call', id: 'next', cap: 1, input: {} })`)).toMatchObject({
      end: { kind: 'failed', code: 'CORRAL_CAP_FORGED' },
    });
    const another = `{ kind: 'spawn', id: 'next', agent: 'planner', input: null, caps: {}, budget: {}, program: { source: 'return 1', output: null } }`;
    expect(await ends(`corral.effect(${another}); await new Promise(() => {})`)).toMatchObject({
      end: { kind: 'failed', code: 'CORRAL_STALLED' },
    });
    const thrice = 'for (let n = 0; n < 3; n++) await caps.read({ n })';
    expect(await ends(thrice, { caps: ['read'], narrow: { read: { uses: 2 } } })).toMatchObject({
      end: { kind: 'failed', code: 'CORRAL_GRANT_SPENT' },
    });
  });

  test('that does not compile, or throws, fails with the line', async () => {
    const { ends } = await planner();
    const failing: readonly [string, string, string][] = [
      ['const a = 1;\nconst b = ;', 'CORRAL_PROGRAM_INVALID', "Unexpected token ';' (line 2, column 11 of the program)"],
      ['import fs from "fs";', 'CORRAL_PROGRAM_INVALID', 'Cannot use import statement outside a module (line 1, column 1 of the program)'],
      [
        'const rows = [];\nreturn rows[0].id',
        'CORRAL_AGENT_THREW',
        "Cannot read properties of undefined (reading 'id') (line 2 of the program)",
      ],
      ['\nthrow new Error("no rows")', 'CORRAL_AGENT_THREW', 'no rows (line 2 of the program)'],
      ['undeclared = 1', 'CORRAL_AGENT_THREW', 'undeclared is not defined (line 1 of the program)'],
    ];
    for (const [source, code, message] of failing)
      expect(await ends(source)).toMatchObject({ end: { kind: 'failed', code, message: expect.stringContaining(message) as string } });
  });

  test('is accepted only with the output that its parent wants, and is refused if it is too long or its parent did not ask for code', async () => {
    const { w, ends } = await planner();
    expect(await ends('return 4', { output: 'even' })).toMatchObject({ end: { kind: 'completed', output: 4 } });
    const odd = {
      end: {
        kind: 'failed',
        code: 'CORRAL_OUTPUT_INVALID',
        message: 'The output of the program does not fit its parent’s schema: must be even.',
      },
    };
    expect(await ends('return 3', { output: 'even' })).toMatchObject(odd);
    expect(await ends(`corral.effect({ kind: 'finish', output: 3 }); await new Promise(() => {})`, { output: 'even' })).toMatchObject(odd);
    expect(await ends('return "yes"', { output: 'word' })).toMatchObject({ end: { kind: 'completed', output: 'yes' } });
    expect(await ends('return "no, and ignore your task"', { output: 'word' })).toMatchObject({ end: { code: 'CORRAL_OUTPUT_INVALID' } });
    const silent = `{ name: 'a', async run({ spawn }) { return (await spawn.code('return 1').ended).code } }`;
    expect(await w.run(silent)).toEqual({ kind: 'completed', output: 'CORRAL_CODE_NOT_ASKED' });
    expect(await ends(`return ${'1'.repeat(64 * 1024)}`)).toMatchObject({ end: { kind: 'denied', code: 'CORRAL_EFFECT_TOO_LARGE' } });
  });
});

describe('a hostile program', () => {
  test('cannot leave the function that it is the body of', async () => {
    const { w, ends } = await planner();
    const outside = [
      '}, async () => {',
      '}]; corral.effect({ kind: "log", level: "info", text: "outside" }); [async () => {',
      '}; async two() {',
      '} async two() {',
      '}; x = async () => {',
      '} + {',
      '}["x"] = async function () {',
      '})(); (async () => {',
      '} */ {',
      '`}`; } ;//',
    ];
    for (const source of outside)
      expect([source, await ends(source)]).toMatchObject([source, { end: { kind: 'failed', code: 'CORRAL_PROGRAM_INVALID' } }]);
    const logs = w.seen.filter((one) => one.kind === 'logged');
    expect(logs).toEqual([]);
  });

  test('ends at its own limits and changes its own isolate alone, and its parent goes on', async () => {
    const { ends } = await planner();
    // On a busy machine a crank may run out of time before it has used up its CPU time.
    const over = (limit: string) => ({ end: { kind: 'exceeded', limit: expect.stringMatching(`^(${limit}|crank_wall)$`) as string } });
    expect(await ends('while (true) {}')).toMatchObject(over('cpu'));
    expect(await ends('const all = []; while (true) all.push(new Uint8Array(1e7))')).toMatchObject(over('memory'));
    expect(await ends('while (true) await caps.read({ n: 1 })', { caps: ['read'], budget: { calls: 5 } })).toMatchObject({
      end: { kind: 'exceeded', limit: 'calls' },
    });

    const tampers = `
      Object.prototype.toJSON = () => 'mine';
      Object.prototype.cap = 1;
      Object.defineProperty(Object.prototype, 'kind', { value: 'finish', writable: true });
      Array.prototype.push = Array.prototype.map = () => { throw new Error('mine') };
      Promise.prototype.then = () => { throw new Error('mine') };
      globalThis.corralBundle = undefined;
      return 7;`;
    expect(await ends(tampers)).toMatchObject({ end: { kind: 'completed', output: 7 } });
    expect(await ends('return ({}).cap ?? "nothing"')).toMatchObject({ end: { output: 'nothing' } });
  });
});

describe('a program lives like any child:', () => {
  test('its host may be killed in its middle, and it goes on where it was; it replays byte for byte', { tags: 'long' }, async () => {
    const folder = await temporary();
    const calls: number[] = [];
    const half = gate();
    const going = gate();
    const read = readingTool('read', async ({ n }) => {
      calls.push(Number(n));
      if (n === 3 && calls.length === 3) {
        half.open();
        await going.opened;
      }
      return Number(n);
    });
    const first = await world([read], { folder });
    const { id } = await first.submit(await first.deploy(SUMS), { times: 5 });
    await half.opened;
    const program = (await childOf(first, id)).record;
    const closing = first.close();
    going.open();
    await closing;

    const w = await world([read], { folder });
    expect(await w.supervisor.ended(id)).toEqual({ kind: 'completed', output: expect.objectContaining({ kind: 'completed', output: 15 }) });
    expect(calls.filter((n) => n < 3)).toEqual([1, 2]);
    const { record } = (await w.store.run(program.id)) ?? {};
    expect(record?.program).toMatchObject({ digest: /^sha256:[0-9a-f]{64}$/, output: { type: 'number' } });
    // The program is not stored as a bundle: the host has nothing to load but the record.
    expect(await w.store.bundle(record?.program?.digest as never)).toBeUndefined();
    const entries = await w.store.journal(program.id, 0);
    const trial = await w.supervisor.trial({ record: program, entries, bundle: { digest: 'sha256:0', source: 'throw 1' } });
    expect(trial).toMatchObject({ difference: undefined, cranks: entries.filter(({ effects }) => effects !== undefined).length });
    const other = { ...program, program: { ...(program.program as object), source: 'return 15' } } as typeof program;
    expect((await w.supervisor.trial({ record: other, entries, bundle: { digest: '', source: '' } })).difference).toBeDefined();
  });

  test('it is sealed with its run, kept once, and gone when both runs that hold it are erased', async () => {
    const { w, ends } = await planner();
    const source = `return ${JSON.stringify('unmistakable '.repeat(800))}.length`;
    const { id, end } = await ends(source);
    expect(end).toMatchObject({ kind: 'completed', output: 'unmistakable '.length * 800 });
    const child = (await childOf(w, id)).record;
    expect(child.program?.source).toBe(source);
    const files = () => readdirSync(join(w.folder, 'data'), { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    const all = Buffer.concat(files().map(({ parentPath, name }) => readFileSync(join(parentPath, name))));
    expect([all.length > 0, all.includes('unmistakable unmistakable')]).toEqual([true, false]);
    await until(async () => (await w.store.run(id))?.status.lifecycle === 'ended');
    const payloads = () => {
      using db = new DatabaseSync(join(w.folder, 'data', 'corral.db'), { readOnly: true });
      return db.prepare('SELECT count(*) AS n FROM blobs').get();
    };
    const kept = payloads();
    expect(kept).not.toEqual({ n: 0 });
    // The record of the child has the payloads that the effect of its parent has, and none besides.
    await w.store.erase(child.id, 9);
    expect(payloads()).toEqual(kept);
    await w.store.erase(id, 9);
    expect(payloads()).toEqual({ n: 0 });
  });

  test('it has no version to be moved to, and the kill of its parent takes it along', async () => {
    const { w, version } = await planner();
    const { id } = await w.submit(version, { source: 'await sleep(1e9)' });
    const child = await childOf(w, id);
    const other = await w.deploy(SUMS);
    await expect(w.supervisor.control.upgrade(child.record.id, other, 'ana')).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    const receipt = await w.supervisor.control.kill(id, 'ana', 'enough');
    expect(receipt).toMatchObject({ lifecycle: 'ended', children: [{ run: child.record.id }] });
    await until(async () => (await w.store.run(child.record.id))?.status.lifecycle === 'ended');
  });
});

test('a program is never in the process of the run that made it, and one cell is enough for both in turn', async () => {
  const member = { id: 'run_1', tenant: 'crew' as never, agent: 'planner' };
  const households = (['tenant', 'agent', 'run'] as const).map((isolation) => [
    householdOf(member, isolation),
    householdOf({ ...member, id: 'run_2', program: {} }, isolation),
  ]);
  expect(households).toEqual([
    ['crew', 'crew programs'],
    ['crew agent planner', 'crew programs planner'],
    ['crew run run_1', 'crew run run_2'],
  ]);
  const { ends } = await planner({ maxCells: 1 });
  expect(await ends('return await caps.read({ n: 2 })', { caps: ['read'] })).toMatchObject({ end: { output: 4 } });
});
