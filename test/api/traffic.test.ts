/** Bodies under way are bounded by tenant: who sends many at once is told when to come back, and others are served meanwhile. */
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { CorralError } from '@corral/protocol/errors';
import { DOOR } from '@corral/protocol/limits';
import { front } from '../front.ts';
import { until } from '../until.ts';

test('a tenant that begins many large requests and ends none is refused more, and another tenant is not', async () => {
  const body_bytes = 2 * 1024 * 1024;
  const f = await front({ configText: JSON.stringify({ tenants: { one: {}, two: {} } }) });
  const { port } = new URL(f.url);
  const one = await f.as('one', 'developer');
  const two = await f.as('two', 'developer');
  const sockets: { socket: Socket; said: string }[] = [];
  onTestFinished(() => sockets.forEach(({ socket }) => socket.destroy()));
  /** Begins a request and sends the first byte of its body. */
  const begin = (secret: string) => {
    const socket = connect(Number(port), '127.0.0.1');
    const begun = { socket, said: '' };
    socket.on('error', () => undefined).on('data', (bytes) => (begun.said += bytes.toString('latin1')));
    socket.write(
      `POST /v1/runs HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${secret}\r\ncontent-type: application/json\r\ncontent-length: ${body_bytes}\r\n\r\n{`,
    );
    sockets.push(begun);
    return begun;
  };
  const fits = Math.floor(DOOR.traffic_bytes_per_tenant.default / body_bytes);
  for (let i = 0; i < fits + 4; i++) begin(one.secret);
  const refused = () => sockets.filter(({ said }) => said.startsWith('HTTP/1.1 429'));
  await until(() => refused().length === 4);
  expect(refused()[0]?.said.toLowerCase()).toMatch(/retry-after: \d+/u);
  const submits = (client: typeof one) =>
    client.submitRun({ body: { agent: 'nobody' } }).then(
      () => 'ok',
      (error: CorralError) => error.code,
    );
  expect([await submits(one), await submits(two)]).toEqual(['CORRAL_RATE_LIMITED', 'CORRAL_AGENT_UNKNOWN']);
  // Requests without a body are answered meanwhile.
  expect(await one.listRuns({ query: {} })).toMatchObject({ items: [] });
  for (const { socket } of sockets) socket.destroy();
  await until(async () => (await submits(one)) === 'CORRAL_AGENT_UNKNOWN');
});
