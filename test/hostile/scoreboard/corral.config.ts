/** The configuration of the scoreboard's host: the tools that its guests and their neighbours call, and three tenants. */
import { appendFileSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig, tool } from '@corral/server/config';
import { WATCHED } from '@corral/supervisor';
import * as z from 'zod';

const folder = process.env['SCOREBOARD_FOLDER'] as string;
const reading = { readOnly: true, idempotent: true, openWorld: false, destructive: false } as const;
const open = new Map<string, number>();

/** Writes down when a neighbour called, so that the time in which it got no further is measured outside of the host. */
const near = tool({
  name: 'near.read',
  description: 'what a neighbour reads all the time',
  input: z.object({ who: z.enum(['own', 'other']) }),
  output: z.object({ at: z.number() }),
  annotations: { ...reading, returns: 'trusted' },
  run({ who }) {
    const file = open.get(who) ?? openSync(join(folder, `calls-${who}`), 'a');
    open.set(who, file);
    const at = performance.timeOrigin + performance.now();
    const row = Buffer.allocUnsafe(8);
    row.writeDoubleLE(at);
    writeSync(file, row);
    return { at };
  },
});

const nested = (levels: number, branches: number): unknown =>
  levels === 0 ? 'leaf' : Array.from({ length: branches }, () => nested(levels - 1, branches));

const read = tool({
  name: 'hostile.read',
  description: 'values of a shape that the caller chooses: deep, wide or long',
  input: z.object({
    levels: z.int().max(60).optional(),
    branches: z.int().optional(),
    keys: z.int().optional(),
    bytes: z.int().optional(),
    note: z.unknown().optional(),
  }),
  output: z.unknown(),
  annotations: { ...reading, returns: 'untrusted' },
  run: ({ levels, branches = 2, keys, bytes = 10 }) => {
    if (levels !== undefined) return nested(levels, branches);
    if (keys !== undefined) return Object.fromEntries(Array.from({ length: keys }, (_, i) => [`key ${i}`, i]));
    return 'y'.repeat(bytes);
  },
});

const wait = tool({
  name: 'hostile.wait',
  description: 'answers after a while',
  input: z.object({ ms: z.number() }),
  output: z.object({}),
  annotations: { ...reading, returns: 'trusted' },
  run: async ({ ms }) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return {};
  },
});

const pay = tool({
  name: 'hostile.pay',
  description: 'something that must not be done without leave; each call leaves a line',
  input: z.object({ to: z.unknown(), amount: z.unknown(), note: z.unknown() }),
  output: z.object({}),
  annotations: { readOnly: false, idempotent: false, openWorld: true, destructive: true, returns: 'trusted' },
  run({ amount }) {
    appendFileSync(join(folder, 'paid'), `${JSON.stringify(amount)}\n`);
    return {};
  },
});

export default defineConfig({
  tools: [near, read, wait, pay],
  files: { read: join(folder, 'files') },
  // Nobody stands in a guest's way but the host itself, or the scoreboard would measure the guards.
  policies: 'none',
  tenants: { guests: { loops: WATCHED }, ruled: { policies: 'default', loops: WATCHED }, others: { loops: WATCHED } },
});
