/** Attackers on the bus gain no authority: forged indices, stolen identifiers, deputies, loops, floods of children, and killed runs. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readingTool, world } from '../world.ts';
import { agentFile } from '../agents/file.ts';
import { until } from '../until.ts';
import { read, pay, module, USES, childOf, CODE, SERVER } from './granting.ts';

describe('an attacker', () => {
  const attack = async (effects: string, tools = [read(), pay([])]) => {
    const w = await world(tools);
    return w.run(
      module(
        CODE,
        SERVER('return 1;'),
        `export default defineAgent({ name: 'owner', ${USES}, spawns: { server }, async run({ caps, spawn, mailbox, messages }) { ${effects} } });`,
      ),
    );
  };

  test('who makes up an index, in a call, a slot or a disposal, is ended for it', { tags: 'long' }, async () => {
    const forged = { kind: 'failed', code: 'CORRAL_CAP_FORGED' };
    expect(await attack(`await corral.effect({ kind: 'call', id: 'next', cap: 3, input: {} });`)).toMatchObject(forged);
    expect(await attack(`await corral.effect({ kind: 'send', id: 'next', cap: 0, body: 1, caps: { x: { cap: 3 } } });`)).toMatchObject(
      forged,
    );
    expect(await attack(`await corral.effect({ kind: 'dispose', cap: -7 }); await messages.next();`)).toMatchObject(forged);
  });

  test('who says a grant’s id, or hands over one that was spent, gets nothing', async () => {
    expect(
      await attack(
        `await corral.effect({ kind: 'send', id: 'next', cap: 0, body: 1, caps: { x: { cap: 1, grant: 'grant_000000000000' } } });`,
      ),
    ).toMatchObject({ code: 'CORRAL_EFFECT_INVALID' });
    // A replayed grant: sent twice, it is still one use.
    expect(await (await world([read(), pay([])])).run(agentFile('hostile/grants/spent-twice'))).toMatchObject({
      output: ['ok', 'CORRAL_GRANT_SPENT', 'CORRAL_GRANT_SPENT'],
    });
  });

  test('who sends more capabilities than a message carries, or fills a c-list, is refused and nobody else is hurt', async () => {
    expect(
      await attack(
        `return code(mailbox.send('', { caps: Object.fromEntries(Array.from({ length: 33 }, (_, i) => ['c' + i, caps.read])) }));`,
      ),
    ).toMatchObject({ output: 'CORRAL_BUDGET_EXCEEDED' });
    expect(await (await world([read(), pay([])])).run(agentFile('hostile/grants/slot-bomb'))).toMatchObject({
      output: ['ok', 'CORRAL_REVOKED'],
    });
  });

  test('who asks a deputy with more authority to use the attacker’s capability gets no more than the attacker had', async () => {
    const paid: unknown[] = [];
    const w = await world([read(), pay(paid)]);
    const outcome = await w.run(agentFile('hostile/grants/confused-deputy'));
    expect(outcome).toMatchObject({ output: { given: 'CORRAL_GRANT_PREDICATE' } });
    expect(paid).toEqual([]);
  });

  test('who passes a capability round in a loop ends at depth 64, and gains nothing on the way', async () => {
    const w = await world([read(), pay([])]);
    expect(await w.run(agentFile('hostile/grants/laundering-loop'))).toMatchObject({
      output: { depth: 64, sent: 'CORRAL_DENIED', last: 'ok', wider: 'CORRAL_GRANT_PREDICATE' },
    });
  });

  test('whose run was killed says nothing afterwards, and what it gave away is dead', async () => {
    const w = await world([read(), pay([])]);
    const { id, ended } = await w.submit(await w.deploy(agentFile('hostile/grants/gift-of-the-dead')));
    const child = await childOf(w, id);
    await until(() => w.seen.some(({ kind }) => kind === 'emitted'));
    await w.supervisor.control.kill(child, 'ana', 'evil');
    expect(await ended).toMatchObject({ output: ['ok', 'killed', 'CORRAL_REVOKED', 'CORRAL_RECIPIENT_ENDED'] });
  });

  test('with 64 children at once takes no more than the purse or the grant allows, whatever they are given', async () => {
    let made = 0;
    const count = readingTool('fs.read', () => (made += 1));
    const w = await world([count, pay([])]);
    const version = await w.deploy(agentFile('hostile/grants/sixty-four'));
    await fc.assert(
      fc.asyncProperty(
        fc.record({ calls: fc.nat(200), each: fc.nat(6), wanted: fc.nat(6), uses: fc.option(fc.nat(100)) }),
        async ({ calls, ...input }) => {
          made = 0;
          const { ended } = await w.submit(version, input, { budget: { calls, cpu_ms: 300_000 } });
          const outcome = await ended;
          expect(outcome).toMatchObject({ kind: 'completed', output: made });
          expect(made).toBeLessThanOrEqual(Math.min(calls, input.uses ?? calls));
        },
      ),
      { numRuns: 2 },
    );
  });
});
