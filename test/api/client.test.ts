/** The client that others install, over a real host: by `fetch`, as in a browser, and by the socket. */
import { connect } from '@corral/client';
import { connect as connectOnNode } from '@corral/client/node';
import { expect, test } from 'vitest';
import { HELLO, sharedFront } from '../front.ts';

const front = sharedFront();

test('a run is submitted and followed by fetch', async () => {
  const { url, as, deploy } = front();
  await deploy(HELLO);
  const { secret } = await as('local', 'developer', 'operator');
  const corral = connect({ url, token: secret });
  const { run } = await corral.submitRun({ body: { agent: 'hello', input: { name: 'Ada' } } });
  const stop = new AbortController();
  for await (const event of corral.follow({}, { last: '0', signal: stop.signal })) {
    if (event.kind !== 'run.ended' || event.run !== run) continue;
    stop.abort();
    break;
  }
  expect(await corral.showRun({ params: { run } })).toMatchObject({ ended_as: 'completed' });
});

test('a stream of events ends without an error when its follower stops', async () => {
  const { url, as } = front();
  const { secret } = await as('local', 'developer', 'operator');
  const stop = new AbortController();
  const seen: string[] = [];
  for await (const { kind } of connect({ url, token: secret }).follow({}, { last: '0', signal: stop.signal })) {
    seen.push(kind);
    stop.abort();
  }
  expect(seen.length).toBeGreaterThan(0);
});

test('a refusal has its code and status, and a host that does not answer is unreachable', async () => {
  const { url, host } = front();
  await expect(connect({ url, token: 'corral_nobody' }).listRuns({})).rejects.toMatchObject({ status: 401 });
  await expect(connect({ url: 'http://127.0.0.1:1' }).ready({})).rejects.toMatchObject({ code: 'CORRAL_UNREACHABLE' });
  await expect(connectOnNode({ socket: host.socket }).listRuns({})).resolves.toHaveProperty('items');
  await expect(connectOnNode({ socket: `${host.socket}.not` }).listRuns({})).rejects.toMatchObject({ code: 'CORRAL_UNREACHABLE' });
});
