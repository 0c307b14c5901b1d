/** A minimal cell: reads a frame, runs a bare crank in an isolate, answers. */
import { readSync, writeSync } from 'node:fs';
import ivm from 'isolated-vm';

const isolate = new ivm.Isolate({ memoryLimit: 64 });
const context = isolate.createContextSync();
context.evalSync(`
  let batch = []; const waiting = new Map(); let last = 0;
  const call = (input) => new Promise((resolve) => { waiting.set(++last, resolve); batch.push({ kind: 'call', id: last, cap: 1, input }) });
  globalThis.deliver = (text) => { const { id, value } = JSON.parse(text); waiting.get(id)?.(value); waiting.delete(id) };
  globalThis.collect = () => { const text = JSON.stringify(batch); batch = []; return text };
  (async () => { for (let n = 0; ; n++) await call({ n }) })();`);
const deliver = context.global.getSync('deliver', { reference: true });
const collect = context.global.getSync('collect', { reference: true });

const HEADER = 28;
const chunk = Buffer.allocUnsafe(65536);
let held = Buffer.alloc(0);
for (;;) {
  while (held.length < HEADER || held.length < HEADER + held.readUInt32LE(0)) {
    const length = readSync(3, chunk, 0, chunk.length, null);
    if (length === 0) process.exit(0);
    held = Buffer.concat([held, chunk.subarray(0, length)]);
  }
  const end = HEADER + held.readUInt32LE(0);
  const text = held.toString('utf8', HEADER, end);
  held = held.subarray(end);
  deliver.applySync(undefined, [text]);
  const answer = collect.applySync(undefined, []);
  const out = Buffer.allocUnsafe(HEADER + Buffer.byteLength(answer));
  out.fill(0, 0, HEADER);
  out.writeUInt32LE(out.length - HEADER, 0);
  out.write(answer, HEADER);
  writeSync(3, out);
}
