/** The bound on requests and answers under way, against a real server whose clients do not read. */
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Traffic } from './traffic.ts';

/** Answers to clients that have asked and read nothing. */
async function unread(count: number): Promise<{ answers: ServerResponse[]; clients: Socket[] }> {
  const answers: ServerResponse[] = [];
  const all = Promise.withResolvers<undefined>();
  const server = createServer((_, answer) => {
    answers.push(answer);
    if (answers.length === count) all.resolve(undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const clients = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
  for (const client of clients)
    client
      .pause()
      .on('error', () => undefined)
      .write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  onTestFinished(() => {
    for (const client of clients) client.destroy();
    server.closeAllConnections();
    server.close();
  });
  await all.promise;
  return { answers, clients };
}
const closed = (answer: ServerResponse) => new Promise((resolve) => answer.once('close', resolve));
/** More than the operating system takes for a client that does not read. */
const MUCH = 'x'.repeat(16 * 1024 * 1024);

test('a tenant with as much under way as it may have is told when to come back, and others are served', async () => {
  const { answers, clients } = await unread(4);
  const [first, second, third, other] = answers as [ServerResponse, ServerResponse, ServerResponse, ServerResponse];
  const traffic = new Traffic({ tenant: 1000, all: 2000 });
  traffic.enter('a', 5000, first);
  expect(() => traffic.enter('a', 1, second)).toThrow(expect.objectContaining({ code: 'CORRAL_RATE_LIMITED', retry_after_s: 2 }));
  traffic.enter('b', 900, other);
  expect(() => traffic.enter('b', 1, third)).toThrow(expect.objectContaining({ code: 'CORRAL_RATE_LIMITED' }));
  const gone = closed(first);
  first.end('done');
  clients.forEach((client) => client.resume());
  clients[answers.indexOf(first)]?.destroy();
  first.destroy();
  await gone;
  traffic.enter('a', 900, second);
  expect([traffic.of('a'), traffic.of('b')]).toEqual([900, 900]);
});

test('what a client does not take of an answer counts, and of followers the slowest is disconnected', async () => {
  const { answers } = await unread(3);
  const [slow, slower, answer] = answers as [ServerResponse, ServerResponse, ServerResponse];
  const traffic = new Traffic({ tenant: MUCH.length * 2, all: MUCH.length * 8 });
  for (const one of answers) traffic.enter('a', 0, one);
  traffic.follows('a', slow);
  traffic.follows('a', slower);
  traffic.relieve('a');
  slow.write(MUCH.slice(0, MUCH.length / 2));
  slower.write(MUCH);
  expect(traffic.of('a')).toBeGreaterThan(MUCH.length);
  const gone = closed(slower);
  traffic.relieve('a');
  await gone;
  expect([slow.destroyed, slower.destroyed]).toEqual([false, true]);
  answer.write(MUCH);
  answer.write(MUCH);
  expect(() => traffic.enter('a', 0, slow)).toThrow(expect.objectContaining({ code: 'CORRAL_RATE_LIMITED' }));
  // An answer that nobody can ask for again is not cut off.
  traffic.relieve('a');
  expect([slow.destroyed, answer.destroyed]).toEqual([true, false]);
});

test('a request whose client left while the host found out who it is counts for nobody', async () => {
  const { answers } = await unread(2);
  const [left, next] = answers as [ServerResponse, ServerResponse];
  const gone = closed(left);
  left.destroy();
  await gone;
  const traffic = new Traffic({ tenant: 1000, all: 2000 });
  traffic.enter('a', 1000, left);
  expect(traffic.of('a')).toBe(0);
  traffic.enter('a', 1000, next);
  expect(traffic.of('a')).toBe(1000);
});
