import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import type { Clock } from '@corral/protocol/ports/machine';
import { Scheduler } from './scheduler.ts';
import { SqliteFront } from '@corral/store/front';
import type { Submissions } from './submissions.ts';

test('a schedule whose agent rests waits by itself: others have their turn, and it is tried again under the same name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-test-'));
  const db = new SqliteFront(folder, (n) => new Uint8Array(n));
  onTestFinished(async () => {
    db.close();
    await rm(folder, { recursive: true, force: true });
  });
  let now = 1_000_000;
  let next: { readonly at: number; readonly work: () => void } | undefined;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after(ms, work) {
      next = { at: now + ms, work };
      return () => (next = undefined);
    },
  };
  const asked: string[] = [];
  let rests = true;
  const submissions = {
    async submit({ tenant }: { readonly tenant: string }, _: string, key: string) {
      asked.push(`${tenant} ${key}`);
      if (tenant === 'busy' && rests) throw new CorralError('CORRAL_AGENT_RESTS', 'It rests.');
      return { run: `run_${asked.length}`, replayed: false };
    },
  } as unknown as Submissions;
  let ids = 0;
  const scheduler = new Scheduler(db, submissions, clock, (n) => new Uint8Array(n).fill(++ids));
  const wanted = (tenant: string) => ({ tenant: tenant as never, agent: 'a', input: null, cron: '0 0 1 1 *' });
  const busy = ['busy', 'busy'].map((tenant) => scheduler.make(wanted(tenant), 'ada').schedule);
  const other = scheduler.make(wanted('other'), 'ada').schedule;
  for (const { id } of db.schedules.list(undefined)) db.schedules.fired(id, { next_at: 500, at: 0, run: null, error: null });
  const turn = async () => {
    scheduler.start();
    const due = next;
    next = undefined;
    now = Math.max(now, due?.at ?? 0);
    due?.work();
    await vi.waitFor(() => expect(next).toBeDefined());
  };

  await turn();
  expect(asked.toSorted()).toEqual(['busy 500', 'busy 500', 'other 500']);
  expect(scheduler.show(other)).toMatchObject({ last_run: expect.stringMatching(/^run_/), last_error: null });
  for (const id of busy) expect(scheduler.show(id)).toMatchObject({ last_run: null, last_error: expect.stringMatching(/AGENT_RESTS/) });
  expect((next as { readonly at: number } | undefined)?.at).toBe(now + 5_000);
  rests = false;
  await turn();
  expect(asked.slice(3)).toEqual(['busy 500', 'busy 500']);
  for (const id of busy) expect(scheduler.show(id)).toMatchObject({ last_run: expect.stringMatching(/^run_/), last_error: null });
});
