import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { front, HELLO, SLEEP, until } from '../front.ts';

const KEY = Buffer.from('a key of some length').toString('base64');

async function receiver(answer: (n: number) => number) {
  const got: { headers: Record<string, string>; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      got.push({ headers: request.headers as Record<string, string>, body });
      response.statusCode = answer(got.length);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

test('a webhook is told of an end, signed, and again until it has taken it', async () => {
  const { got, url } = await receiver((n) => (n === 1 ? 500 : 204));
  const { admin, deploy, host } = await front({
    env: { HOOK: `whsec_${KEY}` },
    configText: JSON.stringify({ secrets: { hook: { env: 'HOOK' } }, webhooks: [{ url, secret: 'hook' }] }),
  });
  await deploy(HELLO);
  const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  await until(async () => got.length === 2);
  const [first, second] = got;
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  expect(JSON.parse(second?.body ?? '')).toMatchObject({ type: 'run.ended', data: { run, data: { ended_as: 'completed' } } });
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = second?.headers ?? {};
  const expected = createHmac('sha256', Buffer.from(KEY, 'base64')).update(`${id}.${at}.${second?.body}`).digest('base64');
  expect(signature).toBe(`v1,${expected}`);
  await until(async () => host.door.db.all('SELECT * FROM outbox').length === 0);
});

test('what could not be told before a stop is told after the next start', async () => {
  let up = false;
  const { got, url } = await receiver(() => (up ? 200 : 503));
  const options = {
    env: { HOOK: 'plain secret' },
    configText: JSON.stringify({
      secrets: { hook: { env: 'HOOK' } },
      webhooks: [{ url, secret: 'hook', events: ['run.paused', 'run.ended'] }],
    }),
  };
  const first = await front(options);
  await first.deploy(SLEEP);
  const { run } = await first.admin.submitRun({ body: { agent: 'sleeper' } });
  await first.admin.operate({ body: { operation: 'pause', target: { run }, reason: 'look' } });
  await until(async () => got.length >= 1);
  await first.host.close();
  up = true;
  const { length } = got;
  await front({ ...options, data: first.data });
  await until(async () => got.length > length);
  expect(JSON.parse(got.at(-1)?.body ?? '')).toMatchObject({ type: 'run.paused', data: { run, data: { reason: 'look' } } });
});
