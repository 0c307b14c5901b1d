/** Requests through mailboxes, and the one reply that each gets. The real host. */
import { describe, expect, test } from 'vitest';
import type { Outcome } from '@corral/protocol/model/outcome';
import { sharedWorld, temporary, world } from '../world.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

const output = (outcome: Outcome) => (outcome.kind === 'completed' ? outcome.output : outcome);

const host = sharedWorld();

describe('a request through a mailbox', () => {
  test('is replied to once, in whatever order', async () => {
    const w = host();
    expect(output(await w.run(agentFile('family/replies-in-any-order')))).toEqual([
      [2, 11],
      ['This message has been replied to.', 'This message was only sent; whoever wants a reply uses mailbox.request().'],
    ]);
  });

  test('is answered by the end of its receiver, whether that had come to it or not', async () => {
    const w = host();
    expect(output(await w.run(agentFile('family/ends-before-it-replies')))).toEqual([
      'CORRAL_RECIPIENT_ENDED: The run ended before it replied (failed); its effects for the request are not undone.',
      expect.stringMatching(/^CORRAL_RECIPIENT_ENDED: The run ended before it (replied|did anything about the request) \(failed\)/),
      expect.stringMatching(/^CORRAL_RECIPIENT_ENDED: /),
    ]);
  });

  test('times out, or is given up by a signal', async () => {
    const w = host();
    expect(output(await w.run(agentFile('family/gives-up-asking')))).toEqual(['CORRAL_TIMED_OUT', 'AbortError']);
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
    const { id } = await w.submit(await w.deploy(agentFile('family/ask-each-other')));
    await until(() => w.seen.some((seen) => seen.kind === 'step' && seen.detector === 'deadlock'));
    expect(output(await w.run(`{ name: 'other', run: () => 1 }`))).toEqual(1);
    await w.supervisor.control.kill(id, 'test', 'enough');
  });

  test('is not for a run to reply to that was not asked', async () => {
    const w = host();
    const source = `{ name: 'liar', async run() { corral.effect({ kind: 'reply', to: 'run_000000000000:1', value: 1 }); return 1 } }`;
    expect(await w.run(source)).toMatchObject({ kind: 'failed', code: 'CORRAL_EFFECT_INVALID' });
  });
});
