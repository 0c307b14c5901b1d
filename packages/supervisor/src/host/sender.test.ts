/** Frames that count as read by a cell: a real process at the other end reads nothing, or all. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { Received } from './received.ts';
import { Sender } from './sender.ts';

const LONG = Buffer.alloc(250_000, 'm');
const SHORT = Buffer.alloc(10, 's');

function other(program: string): Duplex {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const socket = child.stdio[3] as Duplex;
  socket.on('error', () => undefined);
  return socket;
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a frame that the other end does not take counts as unread, with all that waits behind it', async () => {
  const sender = new Sender(other('setInterval(() => {}, 1000)'));
  sender.write(LONG);
  await turn();
  expect([sender.unsent, sender.isUnderWay]).toEqual([LONG.length, true]);
  for (const frame of [SHORT, LONG, SHORT]) sender.write(frame);
  await turn();
  expect(sender.unsent).toBe(2 * LONG.length + 2 * SHORT.length);
});

// Node may hand over the answer to a frame before it says that the last of the frame was taken.
test('the answer to a frame is handed on only when it is known whether the frame was taken, and in order with what comes behind it', async () => {
  const socket = other(`const { Socket } = require('node:net'); const socket = new Socket({ fd: 3 }); let bytes = 0; let frames = 0;
    socket.on('data', (part) => { bytes += part.length; for (; bytes >= ${LONG.length}; bytes -= ${LONG.length}) socket.write(String(frames++ % 10)); });`);
  const sender = new Sender(socket);
  const seen: (readonly [string, number])[] = [];
  let answers = '';
  const received = new Received(sender, (bytes) => {
    answers += String(bytes);
    // A frame that is answered has been read, so only what was sent later can be unread.
    seen.push([String(bytes), sender.unsent]);
    if (answers.length < 300) sender.write(LONG);
  });
  socket.on('data', (bytes: Buffer) => received.take(bytes));
  sender.write(LONG);
  await expect.poll(() => answers.length, { timeout: 60_000 }).toBe(300);
  expect(answers).toBe('0123456789'.repeat(30));
  expect(seen.filter(([, unsent]) => unsent > 0)).toEqual([]);
});

test('frames that were held go out when the sender is released, in their order, and count as unread until then', async () => {
  const socket = other(`const { Socket } = require('node:net'); const socket = new Socket({ fd: 3 }); let bytes = 0;
    socket.on('data', (part) => { bytes += part.length; if (bytes === ${LONG.length + SHORT.length}) socket.write(String(part.at(-1))); });`);
  const sender = new Sender(socket);
  sender.hold();
  sender.write(LONG);
  sender.write(SHORT);
  await turn();
  expect(sender.unsent).toBe(LONG.length + SHORT.length);
  sender.release();
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(String(answer)).toBe(String(SHORT[0]));
  expect(sender.unsent).toBe(0);
});
