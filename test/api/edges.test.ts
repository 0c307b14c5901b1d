/** Input at the edges of what is meant, as people type it and programs send it, is answered in words that say what is wrong. */
import { expect, test } from 'vitest';
import { MACHINE } from '@corral/protocol/limits';
import { front, HELLO, sharedFront, shortFolder, SPIN } from '../front.ts';
import { until } from '../until.ts';

const host = sharedFront();

test.each(['0 0 30 2 *', '0 0 31 2,4,6,9,11 *'])('a schedule that never comes is refused: %s', async (cron) => {
  const { admin, deploy } = host();
  await deploy(HELLO);
  await expect(admin.makeSchedule({ body: { agent: 'hello', cron } })).rejects.toMatchObject({
    code: 'CORRAL_SCHEDULE_INVALID',
    message: expect.stringContaining('never comes') as string,
  });
  expect(await admin.makeSchedule({ body: { agent: 'hello', cron: '0 0 29 2 *' } })).toMatchObject({
    next_at: expect.any(Number) as number,
  });
});

test('a wrong field of a schedule is named as it was written', async () => {
  const { admin, deploy } = host();
  await deploy(HELLO);
  for (const [cron, says] of [
    ['0 0 * 13 *', '`13` does not fit the field month (1 to 12'],
    ['60 * * * *', '`60` does not fit the field minute (0 to 59)'],
    ['0 0 32 1 *', '`32` does not fit the field day of the month (1 to 31)'],
    ['0 0 * * 9', '`9` does not fit the field day of the week (0 to 7'],
    ['0 25 * * *', '`25` does not fit the field hour'],
    ['* * * *', 'does not have five fields'],
  ] as const)
    await expect(admin.makeSchedule({ body: { agent: 'hello', cron } })).rejects.toMatchObject({
      message: expect.stringContaining(says) as string,
    });
});

test('the limit of a service’s key counts bytes, as its name says', async () => {
  const { admin, deploy } = host();
  await deploy(`import { defineService, handler } from '@corral/guest'; import * as z from 'zod/mini';
    export default defineService({ name: 'counter', key: z.string(), state: z.object({ n: z.number() }), initial: { n: 0 },
      on: { add: handler({ message: z.null(), reply: z.number() }, async () => 1) } });`);
  const send = (key: string) =>
    admin.sendToService({ params: { service: 'counter', key, handler: 'add' }, query: { wait_ms: 60_000 }, body: null });
  const most = MACHINE.service_key_bytes.default;
  await expect(send('\u5b57'.repeat(most / 3 + 1))).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
  expect(await send('\u5b57'.repeat(Math.floor(most / 3)))).toMatchObject({ outcome: { output: 1 } });
});

test('the source map of a bundle that nobody deployed is not there', async () => {
  const { admin } = host();
  await expect(admin.sourceMap({ params: { bundle: `sha256:${'0'.repeat(64)}` as never } })).rejects.toMatchObject({ status: 404 });
});

test('a run that spins shows its CPU time while its crank goes on', async () => {
  const { admin, deploy } = host();
  await deploy(SPIN);
  const { run } = await admin.submitRun({ body: { agent: 'spin' } });
  await until(async () => ((await admin.listRuns({})).items.find((one) => one.run === run)?.cpu_ms ?? 0) > 50);
  expect((await admin.showRun({ params: { run } })).journal_entries).toBe(0);
  await admin.operate({ body: { operation: 'kill', target: { run }, reason: 'seen' } });
});

test('why a run is as it is names the capability that a person took back, and who', async () => {
  const { admin, deploy } = host();
  await deploy(`{ name: 'holder', run: async ({ sleep }) => { await sleep(3600000); } }`);
  const { run } = await admin.submitRun({ body: { agent: 'holder' } });
  const { caps } = await admin.showRun({ params: { run } });
  const grant = caps[0]?.grant ?? '';
  await admin.revokeGrant({ params: { grant: grant as never }, body: { reason: 'no longer needed' } });
  const { because } = await admin.whyRun({ params: { run } });
  expect(because.join('\n')).toMatch(new RegExp(`took back its grant ${grant} of the mailbox of ${run}: no longer needed`));
});

test('a call of a tool under quarantine is told so, and not that it is not offered', async () => {
  const folder = await shortFolder();
  const { admin, deploy } = await front({
    configText: JSON.stringify({ files: { read: folder }, tenants: { local: { tools: ['fs.read'] } } }),
  });
  await deploy(
    `{ name: 'reader', uses: { read: 'tool:fs.read' }, run: ({ caps }) => caps.read({ path: 'x' }).catch((error) => [error.code, error.message]) }`,
  );
  await admin.putQuarantine({ body: { kind: 'tool', name: 'fs.read', reason: 'it leaks' } });
  const { run } = await admin.submitRun({ body: { agent: 'reader' } });
  const { outcome } = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(outcome).toMatchObject({ output: ['CORRAL_QUARANTINED', expect.stringContaining('fs.read is under quarantine') as string] });
});
