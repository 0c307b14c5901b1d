/** Attackers on the bus gain no authority: forged indices, stolen identifiers, deputies, loops, floods of children, and killed runs. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readingTool, world } from '../world.ts';
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

  test('who makes up an index, in a call, a slot or a disposal, is ended for it', async () => {
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
    expect(
      await attack(`
        const once = caps.read.attenuate({ uses: 1 });
        await mailbox.send('', { caps: { a: once } });
        const { caps: got } = await messages.next();
        await mailbox.send('', { caps: { a: got.a } });
        await mailbox.send('', { caps: { a: got.a } });
        const [x, y] = [await messages.next(), await messages.next()];
        return [await code(x.caps.a({})), await code(y.caps.a({})), await code(got.a({}))];`),
    ).toMatchObject({ output: ['ok', 'CORRAL_GRANT_SPENT', 'CORRAL_GRANT_SPENT'] });
  });

  test('who sends more capabilities than a message carries, or fills a c-list, is refused and nobody else is hurt', async () => {
    expect(
      await attack(
        `return code(mailbox.send('', { caps: Object.fromEntries(Array.from({ length: 33 }, (_, i) => ['c' + i, caps.read])) }));`,
      ),
    ).toMatchObject({ output: 'CORRAL_BUDGET_EXCEEDED' });
    expect(
      await attack(`
        const bomb = Object.fromEntries(Array.from({ length: 32 }, (_, i) => ['c' + i, caps.read]));
        for (let i = 0; i < 33; i++) await mailbox.send('', { caps: bomb });
        let last; for (let i = 0; i < 33; i++) last = await messages.next();
        return [await code(caps.read({})), await code(last.caps.c31({}))];`),
    ).toMatchObject({ output: ['ok', 'CORRAL_REVOKED'] });
  });

  test('who asks a deputy with more authority to use the attacker’s capability gets no more than the attacker had', async () => {
    const paid: unknown[] = [];
    const w = await world([read(), pay(paid)]);
    const outcome = await w.run(
      module(
        CODE,
        `const deputy = defineAgent({ name: 'deputy', ${USES}, async run({ messages, caps }) {
          const { caps: given, body } = await messages.next();
          return { given: await code(given.pay(body)), reached: Object.keys(given) };
        } });`,
        `export default defineAgent({ name: 'owner', ${USES}, spawns: { deputy }, async run({ caps, spawn }) {
          const child = spawn(deputy, {}, { caps, budget: { calls: 9 } });
          await child.send({ amount: 5000 }, { caps: { pay: caps.pay.attenuate({ where: { amount: { max: 10 } } }) } });
          return (await child.ended).output;
        } });`,
      ),
    );
    expect(outcome).toMatchObject({ output: { given: 'CORRAL_GRANT_PREDICATE' } });
    expect(paid).toEqual([]);
  });

  test('who passes a capability round in a loop ends at depth 64, and gains nothing on the way', async () => {
    const w = await world([read(), pay([])]);
    expect(
      await w.run(
        module(
          CODE,
          `export default defineAgent({ name: 'owner', ${USES}, async run({ caps, mailbox, messages }) {
            let cap = caps.read.attenuate({ where: { path: { equals: 'a' } } }), depth = 0;
            for (;;) {
              const sent = await code(mailbox.send('', { caps: { cap } }));
              if (sent !== 'ok') return { depth, sent, last: await code(cap({ path: 'a' })), wider: await code(cap({ path: 'b' })) };
              cap = (await messages.next()).caps.cap;
              depth += 1;
            }
          } });`,
        ),
      ),
    ).toMatchObject({ output: { depth: 64, sent: 'CORRAL_DENIED', last: 'ok', wider: 'CORRAL_GRANT_PREDICATE' } });
  });

  test('whose run was killed says nothing afterwards, and what it gave away is dead', async () => {
    const w = await world([read(), pay([])]);
    const { id, ended } = await w.submit(
      await w.deploy(
        module(
          CODE,
          `const villain = defineAgent({ name: 'villain', uses: { home: 'mailbox', read: 'tool:fs.read' }, async run({ caps, sleep }) {
            await caps.home.send('first', { caps: { read: caps.read } });
            await sleep(3_600_000);
            await caps.home.send('second');
          } });`,
          `export default defineAgent({ name: 'owner', ${USES}, spawns: { villain }, async run({ caps, spawn, mailbox, messages, emit }) {
            const child = spawn(villain, {}, { caps: { home: mailbox, read: caps.read } });
            const { caps: got } = await messages.next();
            const before = await code(got.read({}));
            emit('used');
            const end = await child.ended;
            return [before, end.kind, await code(got.read({})), await code(child.send('hello?'))];
          } });`,
        ),
      ),
    );
    const child = await childOf(w, id);
    await until(() => w.seen.some(({ kind }) => kind === 'emitted'));
    await w.supervisor.control.kill(child, 'ana', 'evil');
    expect(await ended).toMatchObject({ output: ['ok', 'killed', 'CORRAL_REVOKED', 'CORRAL_RECIPIENT_ENDED'] });
  });

  test('with 64 children at once takes no more than the purse or the grant allows, whatever they are given', async () => {
    let made = 0;
    const count = readingTool('fs.read', () => (made += 1));
    const w = await world([count, pay([])]);
    const version = await w.deploy(
      module(
        CODE,
        `const worker = defineAgent({ name: 'worker', ${USES}, async run({ caps, input }) {
          const codes = await Promise.all(Array.from({ length: input }, () => code(caps.read({}))));
          return codes.filter((one) => one === 'ok').length;
        } });`,
        `export default defineAgent({ name: 'owner', ${USES}, spawns: { worker }, async run({ caps, spawn, input, mailbox, messages }) {
          // Handed to itself first, so that one grant counts for all the children.
          await mailbox.send('', { caps: { read: caps.read.attenuate(input.uses === null ? {} : { uses: input.uses }) } });
          const shared = (await messages.next()).caps.read;
          const ends = await Promise.all(Array.from({ length: 64 }, () =>
            spawn(worker, input.wanted, { caps: { read: shared.attenuate({}), pay: caps.pay }, budget: { calls: input.each, cpu_ms: 50 } }).ended));
          return ends.reduce((sum, end) => sum + (end.output ?? 0), 0);
        } });`,
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.record({ calls: fc.nat(200), each: fc.nat(6), wanted: fc.nat(6), uses: fc.option(fc.nat(100)) }),
        async ({ calls, ...input }) => {
          made = 0;
          const { ended } = await w.submit(version, input, { budget: { calls } });
          const outcome = await ended;
          expect(outcome).toMatchObject({ kind: 'completed', output: made });
          expect(made).toBeLessThanOrEqual(Math.min(calls, input.uses ?? calls));
        },
      ),
      { numRuns: 5 },
    );
  });
});
