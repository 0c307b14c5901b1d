/** Tokens and money on the real host: what is reserved, what is billed, what comes back, and what a submitter may take away. */
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Cost } from '@corral/protocol/model/cost';
import type { Grant } from '@corral/protocol/model/grant';
import type { Tool } from '@corral/protocol/ports/tool';
import { inlineTool, ToolError } from '@corral/tools/define';
import { gate, temporary, tool, world, type World, openApproval } from '../world.ts';
import { policiesOf } from '../policed.ts';
import { agentFile } from '../agents/file.ts';

const EUR = 1_000_000;
const REPEATABLE = { readOnly: false, destructive: false, openWorld: true, repeatable: true, returns: 'trusted' } as const;
const outputOf = (outcome: unknown) => (outcome as { output: unknown }).output;

/** A model in all but name: it may take 1,000 tokens and 0.50, and says what it took. */
function model(took: (input: { readonly n?: number }) => Cost | undefined): Tool {
  return inlineTool({
    name: 'model',
    description: 'answers',
    input: z.object({ n: z.number().optional() }),
    output: z.string(),
    annotations: { ...REPEATABLE, costs: { tokens: 1_000, money_micros: EUR / 2 } },
    run(input, { charge }) {
      const cost = took(input as { n?: number });
      if (cost !== undefined) charge(cost);
      return 'said';
    },
  });
}
function payments(paid: number[], work?: (amount: number) => unknown): Tool {
  return inlineTool({
    name: 'pay',
    description: 'pays',
    input: z.object({ amount: z.union([z.number(), z.string()]) }),
    output: z.boolean(),
    annotations: { destructive: true, openWorld: true, returns: 'trusted', money: 'amount' },
    async run({ amount }) {
      await work?.(Number(amount));
      paid.push(Number(amount));
      return true;
    },
  });
}

const endOf = (w: World, id: string) => {
  for (const one of w.seen) if (one.kind === 'ended' && one.run === id) return one.view;
  throw new Error(`${id} has not ended`);
};
const code = 'const code = (made) => made.then(() => "ok", (error) => error.limit ?? error.code);';
const calling = (body: string, uses = `{ model: 'tool:model' }`) =>
  `{ name: 'a', uses: ${uses}, async run({ input, caps, budget, checkpoint, state }) { ${code} ${body} } }`;

describe('a tool that charges', () => {
  test('is billed what it says that it took, and the rest of what was reserved is there again', async () => {
    const w = await world([model(() => ({ tokens: 10, money_micros: 20_000 }))]);
    const version = await w.deploy(
      calling(
        'const said = []; for (let i = 0; i < 5; i++) said.push(await code(caps.model({}))); return [said, budget.tokens, budget.money_micros];',
      ),
    );
    // One attempt at a time is all that this can pay for, and each leaves enough for the next.
    const { id, ended } = await w.submit(version, {}, { budget: { tokens: 1_040, money_micros: EUR } });
    expect(await ended).toEqual({ kind: 'completed', output: [['ok', 'ok', 'ok', 'ok', 'ok'], 1_040, EUR] });
    expect(endOf(w, id)).toMatchObject({ tokens: 50, money_micros: 100_000, calls: 5 });
  });

  test('that says nothing is billed all that it might have taken, and the next call is refused by the name of what is lacking', async () => {
    const w = await world([model(() => undefined)]);
    const version = await w.deploy(calling('return [await code(caps.model({})), await code(caps.model({})), await code(caps.model({}))];'));
    const { id, ended } = await w.submit(version, {}, { budget: { tokens: 1_999, money_micros: 10 * EUR } });
    expect(await ended).toMatchObject({ output: ['ok', 'tokens', 'tokens'] });
    expect(endOf(w, id)).toMatchObject({ tokens: 1_000, money_micros: EUR / 2 });
  });

  test.each([
    ['tokens', { tokens: 999 }, 'This needs 1000 of tokens, and 999 of 999 are left.'],
    ['money', { money_micros: EUR / 4 }, 'This needs 0.50 of money, and 0.25 of 0.25 are left.'],
  ])('ends an agent that needs it and lacks %s as exceeded', async (limit, budget, message) => {
    const w = await world([model(() => ({}))]);
    const { ended } = await w.submit(await w.deploy(calling('await caps.model({});')), {}, { budget });
    expect(await ended).toEqual({ kind: 'exceeded', limit, message });
  });

  test('and takes more than it had said is billed that, and its run ends once there is nothing left', async () => {
    const w = await world([model(({ n }) => ({ tokens: n ?? 0, money_micros: 0 }))]);
    const version = await w.deploy(calling('await caps.model({ n: 1500 }); await caps.model({ n: 700 }); return "never";'));
    const { id, ended } = await w.submit(version, {}, { budget: { tokens: 2_500 } });
    expect(await ended).toEqual({ kind: 'completed', output: 'never' });
    expect(endOf(w, id)).toMatchObject({ tokens: 2_200 });
    const over = await w.submit(version, {}, { budget: { tokens: 2_000 } });
    expect(await over.ended).toMatchObject({ kind: 'exceeded', limit: 'tokens' });
    const far = await w.submit(version, {}, { budget: { tokens: 1_400 } });
    expect(await far.ended).toEqual({
      kind: 'exceeded',
      limit: 'tokens',
      message: 'A tool charged 100 of tokens beyond what was left of the run’s 1400.',
    });
  });

  test('costs at each attempt, and is tried no more often than the purse can pay for', async () => {
    let attempts = 0;
    const flaky = inlineTool({
      name: 'model',
      description: 'fails twice',
      input: z.object({}),
      output: z.string(),
      annotations: { ...REPEATABLE, costs: { money_micros: 100 } },
      run(_, { attempt, charge }) {
        attempts += 1;
        charge({ money_micros: 40 });
        if (attempt < 3) throw new ToolError('Not now.', { retryable: true });
        return 'said';
      },
    });
    const w = await world([flaky]);
    const version = await w.deploy(calling('return code(caps.model({}));'));
    const rich = await w.submit(version, {}, { budget: { money_micros: 300 } });
    expect(await rich.ended).toMatchObject({ output: 'ok' });
    expect([attempts, endOf(w, rich.id).money_micros]).toEqual([3, 120]);
    const poor = await w.submit(version, {}, { budget: { money_micros: 299 } });
    expect(await poor.ended).toMatchObject({ output: 'CORRAL_TOOL_FAILED' });
    expect([attempts, endOf(w, poor.id).money_micros]).toEqual([5, 80]);
  });

  test('by an argument costs what the argument says, and is refused where that is no number', async () => {
    const asking = tool('model', () => 'said', { ...REPEATABLE, costs: { tokens: 'options.max' } });
    const w = await world([asking]);
    const version = await w.deploy(
      calling(
        'return [await code(caps.model({ options: { max: 600 } })), await code(caps.model({ options: { max: 600 } })), await code(caps.model({}))];',
      ),
    );
    const { ended } = await w.submit(version, {}, { budget: { tokens: 1_000 } });
    expect(await ended).toMatchObject({ output: ['ok', 'tokens', 'tokens'] });
  });

  test('has its bill kept through a checkpoint', async () => {
    const w = await world([model(() => ({ tokens: 400, money_micros: 0 }))]);
    const version = await w.deploy(
      calling('if (state === undefined) { await caps.model({}); await checkpoint(1); } return code(caps.model({}));'),
    );
    const { id, ended } = await w.submit(version, {}, { budget: { tokens: 1_399 } });
    expect(await ended).toMatchObject({ output: 'tokens' });
    expect(endOf(w, id)).toMatchObject({ tokens: 400 });
  });
});

describe('a payment', () => {
  const PAY = `{ pay: 'tool:pay' }`;

  test('takes its amount out of the purse, to the cent, and is refused beyond it', async () => {
    const paid: number[] = [];
    const w = await world([payments(paid)]);
    const version = await w.deploy(
      calling('const said = []; for (const amount of input) said.push(await code(caps.pay({ amount }))); return said;', PAY),
    );
    const { id, ended } = await w.submit(version, [0.1, 0.2, '0.3', 0.01, 0.4], { budget: { money_micros: EUR } });
    expect(await ended).toMatchObject({ output: ['ok', 'ok', 'ok', 'ok', 'money'] });
    expect(paid).toEqual([0.1, 0.2, 0.3, 0.01]);
    expect(endOf(w, id).money_micros).toBe(610_000);
  });

  test('of an amount that is none, or less than nothing, is refused', async () => {
    const paid: number[] = [];
    const w = await world([payments(paid)]);
    const version = await w.deploy(
      calling('const said = []; for (const amount of input) said.push(await code(caps.pay({ amount }))); return said;', PAY),
    );
    const { id, ended } = await w.submit(version, ['all of it', -500, 1], { budget: { money_micros: EUR / 2 } });
    expect(await ended).toMatchObject({ output: ['money', 'money', 'money'] });
    expect(endOf(w, id).money_micros).toBe(0);
  });

  test('that surely did nothing is given back, and one that failed otherwise is not', async () => {
    const paid: number[] = [];
    const w = await world([
      payments(paid, (amount) => {
        throw amount < 5 ? new ToolError('The bank is closed.', { retryable: true }) : new Error('The line went dead.');
      }),
    ]);
    const version = await w.deploy(
      calling(
        'return [await code(caps.pay({ amount: 4 })), await code(caps.pay({ amount: 6 })), await code(caps.pay({ amount: 5 }))];',
        PAY,
      ),
    );
    const { id, ended } = await w.submit(version, {}, { budget: { money_micros: 10 * EUR } });
    expect(await ended).toMatchObject({ output: ['CORRAL_TOOL_FAILED', 'CORRAL_TOOL_FAILED', 'money'] });
    expect(endOf(w, id).money_micros).toBe(6 * EUR);
  });

  test('whose reply was lost with its host is not given back, whatever a person says became of it', async () => {
    const folder = await temporary();
    const begun = gate();
    const paid: number[] = [];
    const first = await world([payments(paid, () => (begun.open(), new Promise(() => undefined)))], { folder });
    const agent = calling('return [await code(caps.pay({ amount: 6 })), await code(caps.pay({ amount: 6 }))];', PAY);
    const { id } = await first.submit(await first.deploy(agent), {}, { budget: { money_micros: 10 * EUR } });
    await begun.opened;
    await first.close();
    const second = await world([payments(paid)], { folder });
    await second.until(id, (view) => view?.waiting === 'resolution');
    const ended = second.supervisor.ended(id);
    await second.supervisor.control.resolve(id, 1, 'ana', { how: 'fail' });
    expect(await ended).toMatchObject({ output: ['CORRAL_UNKNOWN_RESULT', 'money'] });
    expect(endOf(second, id).money_micros).toBe(6 * EUR);
  });
});

/** Everything is allowed, and what leaves less than 5.00 is asked about. */
const TIGHT = `
  @id("all") permit (principal, action, resource);
  @id("much") @consequence("approval") forbid (principal, action in Action::"call", resource)
  when { context.call has amount && context.budget.money.lessThan(decimal("15.0")) && context.budget.tokens > 0 };
  @id("more") forbid (principal, action in Action::"call", resource)
  when { context.call has amount && context.call.amount.greaterThan(context.budget.money) };`;

describe('a payment that people are asked about', () => {
  const start = async () => {
    const paid: number[] = [];
    const tools = [payments(paid)];
    const current = policiesOf(tools, TIGHT);
    const w = await world(tools, { tenants: { crew: { tools, policies: { current } } } });
    const version = await w.deploy(
      calling(
        'const first = code(caps.pay({ amount: 6 })); const second = await code(caps.pay({ amount: 6 })); return [await first, second, await code(caps.pay({ amount: 6 }))];',
        `{ pay: 'tool:pay' }`,
      ),
    );
    const { id, ended } = await w.submit(version, {}, { budget: { money_micros: 10 * EUR } });
    return { w, paid, id, ended, approval: await openApproval(w) };
  };

  test('holds what it would cost while it waits, and is judged by the same purse once they have said yes', async () => {
    const { w, paid, id, ended, approval } = await start();
    await w.supervisor.control.decide(id, approval.call, 'ana', 'approve', '');
    expect(await ended).toMatchObject({ output: ['ok', 'money', 'money'] });
    expect([paid, endOf(w, id).money_micros]).toEqual([[6], 6 * EUR]);
  });

  test('costs its attempt and not its price once they have said no', async () => {
    const { w, paid, id, ended, approval } = await start();
    await w.supervisor.control.decide(id, approval.call, 'ana', 'deny', '');
    const again = await openApproval(w);
    await w.supervisor.control.decide(id, again.call, 'ana', 'approve', '');
    expect(await ended).toMatchObject({ output: ['CORRAL_APPROVAL_DENIED', 'money', 'ok'] });
    expect([paid, endOf(w, id).money_micros, endOf(w, id).calls]).toEqual([[6], 6 * EUR, 3]);
  });
});

test('a call that is made again by another host is billed all that was reserved for it, whatever its last attempt says', async () => {
  const folder = await temporary();
  const begun = gate();
  const charging = (work: () => unknown) =>
    inlineTool({
      name: 'model',
      description: 'answers',
      input: z.object({}),
      output: z.string(),
      annotations: { ...REPEATABLE, costs: { money_micros: 100 } },
      async run(_, { charge }) {
        await work();
        charge({ money_micros: 30 });
        return 'said';
      },
    });
  const first = await world([charging(() => (begun.open(), new Promise(() => undefined)))], { folder });
  const version = await first.deploy(calling('return code(caps.model({}));'));
  const { id } = await first.submit(version, {}, { budget: { money_micros: 250 } });
  await begun.opened;
  await first.close();
  const second = await world([charging(() => undefined)], { folder });
  expect(await second.supervisor.ended(id)).toMatchObject({ output: 'ok' });
  // Two attempts were paid for; nobody knows what the first host's took.
  expect(endOf(second, id).money_micros).toBe(200);
});

test('64 children that race for the money of one parent spend no more than it had, and what they leave is the parent’s', async () => {
  const paid: number[] = [];
  const w = await world([payments(paid, () => new Promise((resolve) => setImmediate(resolve)))]);
  const version = await w.deploy(agentFile('family/races-for-money'));
  const { id, ended } = await w.submit(version, {}, { budget: { money_micros: 51 * EUR, children: 64, cpu_ms: 300_000 } });
  const output = outputOf(await ended) as { own: string[]; late: number; ends: (number | string)[] };
  const bought = output.ends.reduce<number>((sum, one) => sum + (typeof one === 'number' ? one : 0), 0);
  const own = output.own.filter((one) => one === 'ok').length;
  // 20 children had 2.50 each of the 51.00; one was left for the parent, and a half from each of the 20 came back.
  expect([output.ends.filter((one) => one === 2).length, bought, own, output.late]).toEqual([20, 40, 1, 10]);
  expect(output.ends.filter((one) => one === 0)).toHaveLength(8);
  expect(output.ends.filter((one) => one === 'denied')).toHaveLength(36);
  expect(paid).toHaveLength(51);
  expect(endOf(w, id).money_micros).toBe(51 * EUR);
});

describe('a submitter', () => {
  const PAYER = agentFile('crew/pays-and-looks');
  const host = async () => {
    const w = await world([payments([]), tool('look', () => 1)]);
    return { w, version: await w.deploy(PAYER) };
  };

  test('narrows a capability of the agent for one run: how often, with what, how long', async () => {
    const { w, version } = await host();
    const { id, ended } = await w.submit(version, {}, { grants: { pay: { uses: 3, where: { amount: { max: 100 } } } } });
    expect(outputOf(await ended)).toEqual(['CORRAL_GRANT_PREDICATE', 'ok', 'ok', 'ok', 'CORRAL_GRANT_SPENT', 'ok']);
    const grants = await w.store.grants(id);
    expect(grants.find(({ target }) => target.kind === 'tool' && target.tool === 'pay')).toMatchObject({
      uses: 3,
      used: 3,
    });
    const late = await w.submit(version, {}, { grants: { look: { expires_in_ms: 0 }, pay: { rights: [] } } });
    expect(new Set(outputOf(await late.ended) as string[])).toEqual(new Set(['CORRAL_GRANT_RIGHT', 'CORRAL_GRANT_EXPIRED']));
    // Nothing of it is left for the next run.
    expect(outputOf(await (await w.submit(version)).ended)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'ok']);
  });

  test('keeps a fork within the same, in whatever way it was narrowed', async () => {
    const { w, version } = await host();
    const pay = { rate: { per_minute: 2 }, bytes: 40, rights: ['invoke' as const], only_clean: true as const };
    const { id, ended } = await w.submit(version, {}, { grants: { pay } });
    await ended;
    const forked = await w.supervisor.fork({ run: id, at: 1, by: 'ana' as never });
    const ofTool = (grants: readonly Grant[]) => grants.find(({ target }) => target.kind === 'tool' && target.tool === 'pay');
    expect(ofTool(await w.store.grants(forked.id))).toMatchObject(pay);
    await forked.ended;
  });

  test('is told what is wrong with a narrowing, and nothing is admitted', async () => {
    const { w, version } = await host();
    const refused = (grants: object) => w.submit(version, {}, { grants: grants as never }).catch((error: Error) => error.message);
    expect(await refused({ buy: { uses: 1 } })).toBe('payer uses no capability called buy; it uses pay, look.');
    expect(await refused({ pay: { use: 1 } })).toContain('pay: Unrecognized key: "use"');
    expect(await refused({ pay: { where: { amount: { atmost: 1 } } } })).toContain('pay.where.amount');
    expect(await refused({ pay: { uses: -1 } })).toContain('pay.uses');
    expect(await refused({ pay: { where: { to: { in: ['x'.repeat(9_000)] } } } })).toContain('bytes');
    expect(w.seen.filter(({ kind }) => kind === 'admitted')).toEqual([]);
  });
});

test('what the tools of children take beyond all that they had said is their parent’s loss, and ends it', async () => {
  const liar = inlineTool({
    name: 'liar',
    description: 'says little and takes much',
    input: z.object({}),
    output: z.string(),
    annotations: { ...REPEATABLE, costs: { tokens: 10 } },
    run: (_, { charge }) => (charge({ tokens: 1_000 }), 'said'),
  });
  const w = await world([liar]);
  const version = await w.deploy(agentFile('hostile/spends-by-children'));
  const { id, ended } = await w.submit(version, {}, { budget: { tokens: 100 } });
  expect(await ended).toMatchObject({ kind: 'exceeded', limit: 'tokens' });
  expect(endOf(w, id).tokens).toBe(1_000);
});
