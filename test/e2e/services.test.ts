/** A service on a host that is really killed, under people who write to it from the command line. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { corral, CORRAL_MAIN } from '../command.ts';
import { shortFolder } from '../front.ts';
import { agentFile } from '../agents/file.ts';

const COUNTER = agentFile('services/counter');

/** A host in a process of its own. */
async function up(data: string) {
  const child = spawn(process.execPath, [CORRAL_MAIN, 'up', '--data', data, '--port', '0', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const kill = () => {
    child.kill('SIGKILL');
    return gone;
  };
  return { kill };
}

test('each message has one turn, however often the host is killed and the message is sent again', { tags: 'long' }, async () => {
  const folder = await shortFolder();
  const data = join(folder, 'd');
  let host = await up(data);
  expect((await corral(['deploy', COUNTER.file, '--data', data])).code).toBe(0);
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  // Under a key of its own each, and without waiting for the reply.
  const send = (name: string, wait: string) =>
    corral(['send', 'counter', 'one', 'count', JSON.stringify(name), '--key', name, '--wait', wait, '--data', data]);
  for (const pair of [names.slice(0, 2), names.slice(2, 4), names.slice(4)]) {
    await Promise.all(pair.map((name) => send(name, '0')));
    await host.kill();
    host = await up(data);
  }
  const replies = await Promise.all(names.map((name) => send(name, '60000')));
  expect(replies.map(({ code }) => code)).toEqual(names.map(() => 0));
  expect(new Set(replies.map(({ out }) => Number(out)))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
  const list = await corral(['send', 'counter', 'one', 'list', '--json', '--data', data]);
  const { outcome } = JSON.parse(list.out) as { outcome: { output: string[] } };
  expect(new Set(outcome.output)).toEqual(new Set(names));
  expect(outcome.output).toHaveLength(names.length);
});
