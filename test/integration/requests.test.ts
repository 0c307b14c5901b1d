/** Requests through mailboxes, and the one reply that each gets. The real host. */
import { describe, expect, test } from 'vitest';
import type { Outcome } from '@corral/protocol/model/outcome';
import { temporary, world } from '../world.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

const output = (outcome: Outcome) => (outcome.kind === 'completed' ? outcome.output : outcome);

describe('a request through a mailbox', () => {
  const pair = (child: string, parent: string) => `
    import { defineAgent } from '@corral/guest';
    const child = defineAgent({ name: 'child', async run({ messages, sleep, mailbox }) { ${child} } });
    export default defineAgent({ name: 'parent', spawns: { child }, async run({ spawn, sleep, mailbox, messages, checkpoint, state }) {
      const kid = spawn(child, {});
      const tell = (error) => error.code + ': ' + error.message;
      ${parent}
    } });`;

  test('is replied to once, in whatever order', async () => {
    const w = await world();
    const source = pair(
      `const [a, b] = [await messages.next(), await messages.next()];
       b.reply(b.body + 1);
       let second; try { b.reply(0) } catch (error) { second = error.message }
       await sleep(1);
       a.reply(a.body + 1);
       const c = await messages.next();
       let sent; try { c.reply(1) } catch (error) { sent = error.message }
       return [second, sent];`,
      `const replies = await Promise.all([kid.mailbox.request(1), kid.mailbox.request(10)]);
       await kid.send('only this');
       return [replies, (await kid.ended).output];`,
    );
    expect(output(await w.run(source))).toEqual([
      [2, 11],
      ['This message has been replied to.', 'This message was only sent; whoever wants a reply uses mailbox.request().'],
    ]);
  });

  test('is answered by the end of its receiver, whether that had come to it or not', async () => {
    const w = await world();
    const source = pair(
      `await messages.next(); await sleep(30); throw new Error('oh no');`,
      `const both = await Promise.all([kid.mailbox.request(1).catch(tell), kid.mailbox.request(2).catch(tell)]);
       return [...both, await kid.mailbox.request(3).catch(tell)];`,
    );
    expect(output(await w.run(source))).toEqual([
      'CORRAL_RECIPIENT_ENDED: The run ended before it replied (failed); its effects for the request are not undone.',
      expect.stringMatching(/^CORRAL_RECIPIENT_ENDED: The run ended before it (replied|did anything about the request) \(failed\)/),
      expect.stringMatching(/^CORRAL_RECIPIENT_ENDED: /),
    ]);
  });

  test('times out, or is given up by a signal', async () => {
    const w = await world();
    const source = pair(
      `for (;;) await messages.next();`,
      `const giveUp = new AbortController();
       const given = kid.mailbox.request(1, { signal: giveUp.signal }).catch((error) => error.name);
       const late = await kid.mailbox.request(2, { timeout_ms: 20 }).catch((error) => error.code);
       giveUp.abort();
       return [late, await given];`,
    );
    expect(output(await w.run(source))).toEqual(['CORRAL_TIMED_OUT', 'AbortError']);
  });

  test('is still open after a checkpoint of whoever was asked, and after their host was gone', async () => {
    const folder = await temporary();
    const w = await world([], { folder });
    const version = await w.deploy(agentFile('family/asks-its-child'));
    const { id } = await w.submit(version);
    await w.until(id, (view) => view?.waitingFor.startsWith('reply of run_') === true);
    await w.close();
    const next = await world([], { folder });
    expect(output(await next.supervisor.ended(id))).toEqual(42);
  });

  test('from each to the other is a deadlock that is seen, and other runs go on', async () => {
    const w = await world([], { tenants: { crew: { tools: [], loops: {} } } });
    const source = pair(
      `const first = await messages.next(); const home = first.caps.home; return home.request('and you?');`,
      `return kid.mailbox.request('you?', { caps: { home: mailbox } });`,
    );
    const { id } = await w.submit(await w.deploy(source));
    await until(() => w.seen.some((seen) => seen.kind === 'step' && seen.detector === 'deadlock'));
    expect(output(await w.run(`{ name: 'other', run: () => 1 }`))).toEqual(1);
    await w.supervisor.control.kill(id, 'test', 'enough');
  });

  test('is not for a run to reply to that was not asked', async () => {
    const w = await world();
    const source = `{ name: 'liar', async run() { corral.effect({ kind: 'reply', to: 'run_000000000000:1', value: 1 }); return 1 } }`;
    expect(await w.run(source)).toMatchObject({ kind: 'failed', code: 'CORRAL_EFFECT_INVALID' });
  });
});
