/** `corral dev` as the host it stands for: its guards, its questions, and what it does for real. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { agentText } from '../agents/file.ts';
import { CORRAL, HAS_TERMINALS, inTerminal, start, type Said } from '../command.ts';
import { shortFolder } from '../front.ts';
import { linkPackages } from '../project.ts';
import { until } from '../until.ts';

const CONFIG = `import { defineConfig, tool, ToolError } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({
  policies: 'none',
  risk: { 'bank.*': { ask: 100, two: 500, never: 1_000 } },
  tools: [
    tool({ name: 'bank.pay', description: 'Pays.', input: z.object({ to: z.string(), amount: z.number() }), output: z.object({ paid: z.number() }),
      annotations: { money: 'amount', destinations: ['to'] },
      run: ({ amount }) => { if (amount === 7) throw new Error('HTTP 500: kaputt'); return { paid: amount }; } }),
    tool({ name: 'shop.price', description: 'Price.', input: z.object({}), output: z.object({ price: z.number() }),
      annotations: { readOnly: true, destructive: false, openWorld: false, returns: 'trusted' }, run: () => ({ price: 3 }) }),
  ],
});
`;
const BUYER = agentText('authors/buyer');

const started = (cwd: string, args: readonly string[]) => {
  const { child, said, out, err } = start([...CORRAL, ...args], { cwd, typed: true });
  return { child, said, all: () => `${out()}${err()}` };
};

/** Without a terminal. */
async function dev(folder: string, ...args: string[]): Promise<Said> {
  const { child, said } = started(folder, ['dev', ...args]);
  child.stdin?.end();
  return said;
}

async function project(files: Readonly<Record<string, string>> = { 'buyer.ts': BUYER }): Promise<string> {
  const folder = await shortFolder();
  await linkPackages(folder);
  for (const [name, text] of Object.entries({ 'corral.config.ts': CONFIG, ...files })) await writeFile(join(folder, name), text);
  return folder;
}

const amount = (n: number) => ['--input', JSON.stringify({ amount: n })];

test('what cannot be undone is not run without a word: a fake stands for it, or somebody said that it is real', async () => {
  const folder = await project();
  const refused = await dev(folder, 'buyer.ts', ...amount(50));
  expect(refused).toMatchObject({ code: 2, out: '' });
  expect(refused.err).toContain('real tools: bank.pay (CANNOT BE UNDONE), shop.price (reads)');
  expect(refused.err).toMatch(/may call bank\.pay for real.*--fake bank\.pay=FILE\.json.*--real/su);
  await writeFile(join(folder, 'paid.json'), '{ "paid": 49 }');
  const faked = await dev(folder, 'buyer.ts', '--fake', 'bank.pay=paid.json', ...amount(50));
  expect(JSON.parse(faked.out)).toEqual([3, { paid: 49 }]);
  const real = await dev(folder, 'buyer.ts', '--real', ...amount(50));
  expect(JSON.parse(real.out)).toEqual([3, { paid: 50 }]);
  // The child's own effects, and how it ended.
  for (const line of ['asker │ log info  I ask', 'asker │ → 1  shop.price {}', '← 1  child completed']) expect(real.err).toContain(line);
});

test('a fake that does not fit its tool is named, and so is one of no tool', { tags: 'long' }, async () => {
  const folder = await project();
  await writeFile(join(folder, 'paid.json'), '{ "paid": "much" }');
  const unfit = await dev(folder, 'buyer.ts', '--fake', 'bank.pay=paid.json', ...amount(50));
  expect(unfit).toMatchObject({ code: 1 });
  expect(unfit.err).toMatch(/paid\.json: paid: .*expected number, received string/u);
  expect(unfit.err).toContain('← 2  CORRAL_RESULT_INVALID: The fake of bank.pay does not fit its output schema.');
  expect((await dev(folder, 'buyer.ts', '--fake', 'bank.pya=paid.json', ...amount(50))).err).toContain('Did you mean bank.pay?');
});

test('the rules of the configuration hold, found beside the agent', async () => {
  const folder = await project();
  const elsewhere = await shortFolder();
  const denied = await dev(elsewhere, join(folder, 'buyer.ts'), '--real', ...amount(1_001));
  expect(denied).toMatchObject({ code: 1 });
  expect(denied.err).toMatch(/Policies: those of the configuration[^]*Thresholds[^]*denied: CORRAL_DENIED .*risk\/bank\.\*\/never/u);
});

test(
  'the configuration may have another ending, but not two; a question and a tool that throws are heard whole',
  { tags: 'long' },
  async () => {
    const folder = await project();
    const elsewhere = await shortFolder();
    const file = join(folder, 'buyer.ts');
    // In a package of CommonJS it has another ending.
    await rename(join(folder, 'corral.config.ts'), join(folder, 'corral.config.mts'));
    expect((await dev(elsewhere, file, ...amount(1_001))).err).toContain('configuration: ' + join(folder, 'corral.config.mts'));
    const check = (at: string) => started(at, ['config', 'check']).said;
    expect((await check(folder)).out).toContain('local: bank.pay, shop.price');
    expect((await check(elsewhere)).err).toContain('There is no corral.config.ts and no corral.config.mts here.');
    await writeFile(join(folder, 'corral.config.ts'), CONFIG);
    for (const args of [
      ['config', 'check'],
      ['dev', 'buyer.ts'],
    ]) {
      const { code, err } = await started(folder, args).said;
      expect([code, err]).toEqual([2, expect.stringContaining('two configurations, corral.config.ts and corral.config.mts; name one')]);
    }
    await rm(join(folder, 'corral.config.mts'));
    const asked = await dev(elsewhere, file, '--real', ...amount(101));
    expect(asked.err).toMatch(/waits for a person \(risk\/bank\.\*\/ask\)[^]*refused by terminal[^]*no terminal to ask at/u);
    const thrown = await dev(elsewhere, file, '--real', ...amount(7));
    expect(thrown.err).toMatch(/bank\.pay: Error: HTTP 500: kaputt[^]*corral\.config\.ts:\d+/u);
    expect(thrown.err).toMatch(/← 2 {2}CORRAL_TOOL_FAILED: bank\.pay failed\./u);
  },
);

/** An agent that lets a denial pass. */
const LENIENT = `import { defineAgent } from '@corral/guest';
export default defineAgent({ name: 'lenient', purpose: 'pays', uses: { pay: 'tool:bank.pay' }, budget: { money_micros: 10_000_000_000 },
  run: ({ caps }: any) => caps.pay({ to: 'bob', amount: 600 }).catch(({ code }: any) => code) });`;

test('without a terminal it says what nobody was asked, also where the agent lets the denial pass', async () => {
  const folder = await project({ 'lenient.ts': LENIENT });
  const silent = await dev(folder, 'lenient.ts', '--real');
  expect(silent).toMatchObject({ code: 1, out: '"CORRAL_APPROVAL_DENIED"\n' });
  expect(silent.err).toContain(
    'nobody was asked about bank.pay (risk/bank.*/ask, risk/bank.*/two), since there is no terminal here: call 1 is denied.',
  );
  expect(silent.err).toContain('give --approve or --deny');
});

test('without a terminal a script sees what nobody was asked, and --approve and --deny answer it', { tags: 'long' }, async () => {
  const folder = await project({ 'lenient.ts': LENIENT });
  const machine = await dev(folder, 'lenient.ts', '--real', '--json');
  expect(machine.code).toBe(1);
  expect(JSON.parse(machine.out.trim().split('\n').at(-1) ?? '')).toMatchObject({
    kind: 'ended',
    outcome: { kind: 'completed' },
    unasked: [{ call: 1, tool: 'bank.pay', why: 'risk/bank.*/ask, risk/bank.*/two' }],
  });
  const denied = await dev(folder, 'lenient.ts', '--real', '--deny');
  expect([denied.code, denied.out, denied.err.includes('nobody was asked')]).toEqual([0, '"CORRAL_APPROVAL_DENIED"\n', false]);
  const approved = await dev(folder, 'lenient.ts', '--real', '--approve');
  expect([approved.code, JSON.parse(approved.out)]).toEqual([0, { paid: 600 }]);
  expect(await dev(folder, 'lenient.ts', '--approve', '--deny')).toMatchObject({ code: 2 });
});

test.skipIf(!HAS_TERMINALS)('at a terminal it asks before what is real, and for each person of an approval', async () => {
  const folder = await project();
  const command = [...CORRAL, 'dev', 'buyer.ts', '--input', '{"amount":600}'].map((word) => `'${word}'`).join(' ');
  const { child, said, out } = start(inTerminal(command), { cwd: folder, typed: true });
  await until(() => out().includes('Go on? [y/N]'));
  child.stdin?.write('y\n');
  await until(() => out().includes('person 1 of 2'));
  child.stdin?.write('y\n');
  await until(() => out().includes('person 2 of 2'));
  child.stdin?.write('y\n');
  expect((await said).code).toBe(0);
  expect(out()).toContain('"paid": 600');
  // A question comes after the effects that led to it.
  expect(out()).toMatch(/started [^]*→ 2 {2}bank\.pay [^]*person 1 of 2/u);
});

test('a service gets its message', async () => {
  const folder = await project({ 'counter.ts': agentText('authors/counter') });
  const counted = await dev(folder, 'counter.ts', '--on', 'add', '--input', '{"n":4}');
  expect(counted).toMatchObject({ code: 0, out: '4\n' });
  expect(counted.err).toContain('counter │ log info  adding');
});

test(
  'a service without a handler, and a run that is paused for a person where nobody is there, end with what to do',
  { tags: 'long' },
  async () => {
    const folder = await project({
      'counter.ts': agentText('authors/counter'),
      'looper.ts': `import { defineAgent } from '@corral/guest';
export default defineAgent({ name: 'looper', purpose: 'loops', uses: { price: 'tool:shop.price' },
  run: async ({ caps }: any) => { for (let i = 0; i < 200; i++) await caps.price({}); } });`,
    });
    expect((await dev(folder, 'counter.ts')).err).toContain('say which handler gets the message, with --on: add, look');
    const looped = await dev(folder, 'looper.ts');
    expect(looped).toMatchObject({ code: 1 });
    expect(looped.err).toMatch(/looper is paused: repeat[^]*nobody was asked whether looper may go on[^]*killed/u);
  },
);

test('the configuration is watched, too: what is saved holds for the next run', { tags: 'long' }, async () => {
  const folder = await project({
    'asker.ts': `import { defineAgent } from '@corral/guest';
export default defineAgent({ name: 'asker', purpose: 'asks', uses: { price: 'tool:shop.price' }, run: async ({ caps }: any) => (await caps.price({})).price });`,
  });
  const { child, all } = started(folder, ['dev', 'asker.ts', '--watch']);
  child.stdin?.end();
  await until(() => /completed in[^]*waiting for a save/u.test(all()));
  expect(all()).toContain('{"price":3}');
  await writeFile(join(folder, 'corral.config.ts'), CONFIG.replace('price: 3', 'price: 4'));
  await until(() => all().includes('{"price":4}'));
  await writeFile(join(folder, 'corral.config.ts'), CONFIG.replace('risk:', 'rsik:'));
  await until(() => all().includes('CORRAL_CONFIG_INVALID'));
  await writeFile(join(folder, 'corral.config.ts'), CONFIG.replace('price: 3', 'price: 5'));
  await until(() => all().includes('{"price":5}'));
});
