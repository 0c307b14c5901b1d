import { expect, test } from 'vitest';
import { CpuTime } from './cpu.ts';

const still = (ms: number) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
function busy(ms: number): number {
  const before = process.threadCpuUsage();
  for (;;) {
    const { user, system } = process.threadCpuUsage(before);
    if (user + system >= ms * 1000) return user + system;
  }
}
function frame(time: CpuTime, work: () => void): number {
  time.begin();
  work();
  const used = time.used();
  time.end();
  return used;
}

test('a frame that stands still for long has not used the time, whatever came before it', () => {
  const time = new CpuTime();
  for (let i = 0; i < 40; i++) frame(time, () => void busy(1));
  expect(frame(time, () => still(200))).toBeLessThan(100_000);
  expect(frame(time, () => void busy(30))).toBeGreaterThanOrEqual(20_000);
  expect(frame(time, () => still(200))).toBeLessThan(100_000);
});

test('a frame that computes is told to have used no more than it took', () => {
  const time = new CpuTime();
  for (const ms of [1, 30, 1, 1, 60]) {
    const began = performance.now();
    const used = frame(time, () => void busy(ms));
    // Where others had the core meanwhile, the frames before may count for more than they used, and this one for less.
    expect(used).toBeGreaterThanOrEqual(0);
    expect(used).toBeLessThanOrEqual(Math.ceil((performance.now() - began) * 1000));
  }
});
