/** The configuration of the soak's host. Its tools write lines to a file, so that lost and doubled effects can be counted. */
import { appendFileSync } from 'node:fs';
import { defineConfig, tool } from '@corral/server/config';
import { WATCHED } from '@corral/supervisor';
import * as z from 'zod';

const MOST_MS = 200;
const input = z.object({ n: z.number() });
const output = z.object({ n: z.number() });
const wait = () => new Promise((resolve) => setTimeout(resolve, Math.random() * MOST_MS));

/**
 * A tool that appends one line for each attempt, with its name and the idempotency key. It takes time, so that hosts are killed before
 * and after the line.
 */
const appending = (name: string, idempotent: boolean) =>
  tool({
    name,
    description: `appends a line; ${idempotent ? 'twice under one key has the effect of once' : 'must not be done twice'}`,
    input,
    output,
    annotations: { readOnly: false, idempotent, openWorld: true, destructive: false, returns: 'trusted' },
    async run({ n }, { idempotency_key }) {
      await wait();
      appendFileSync(process.env['SOAK_LEDGER'] as string, `${name} ${idempotency_key}\n`);
      await wait();
      return { n };
    },
  });

export default defineConfig({
  tools: [appending('soak.once', false), appending('soak.again', true), appending('soak.pay', false)],
  policies: ['./asks.cedar'],
  // Nobody would resume a run that was paused.
  tenants: { local: { loops: WATCHED } },
  secrets: { hook: { env: 'SOAK_HOOK' } },
  webhooks: [{ id: 'soak', url: process.env['SOAK_RECEIVER'] as string, secret: 'hook', events: ['run.ended', 'run.asked'] }],
});
