/** Events are kept for those who come back: across restarts, from the journal where it has their data, and with what is missing told. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Client } from '@corral/protocol/api/client';
import { eventsOf, front, onTables } from '../front.ts';
import { until } from '../until.ts';

const WORD = 'a-word-that-only-this-agent-emits';
const TALKER = `{ name: 'talker', async run({ emit, log, sleep }) {
  emit('one', '${WORD}'); log('first'); emit('two', { n: 2 }); log('second', '${WORD}'); await sleep(0); emit('three', 3); return 1; } }`;

type Seen = ReturnType<Client['follow']> extends AsyncGenerator<infer E> ? E : never;

/** A host on which a talker has said all that it says, and the id of the event before. */
async function spoken() {
  const first = await front();
  await first.deploy(TALKER);
  const from = first.host.door.feed.last;
  const { run } = await first.admin.submitRun({ body: { agent: 'talker' } });
  await first.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  return { first, from, run };
}

/** Follows from after an event until one of this kind has come. */
async function after(client: Client, last: string | undefined, kind: string, run?: string): Promise<Seen[]> {
  const stop = new AbortController();
  const seen: Seen[] = [];
  for await (const event of client.follow(run === undefined ? {} : { run: run as never }, { last, signal: stop.signal })) {
    seen.push(event);
    if (event.kind === kind) break;
  }
  stop.abort();
  return seen;
}
const said = (seen: readonly Seen[]) =>
  seen.flatMap((event) => (event.kind === 'run.emitted' || event.kind === 'run.logged' ? [event.data] : []));
const TOLD = [
  { event: 'one', data: WORD },
  { event: 'two', data: { n: 2 } },
  { level: 'info', text: 'first' },
  { level: 'info', text: `second ${WORD}` },
  { event: 'three', data: 3 },
];

test(
  'a follower goes on where it was after its host has started again, and is told all that runs said meanwhile',
  { tags: 'long' },
  async () => {
    const { first, from, run } = await spoken();
    await first.host.close();
    // The journal has what the run said; the table has its place.
    const kept = await readFile(join(first.data, 'front.db'), 'latin1');
    expect(kept).toContain('run.emitted');
    expect(kept).not.toContain(WORD);
    const second = await front({ data: first.data });
    const seen = await after(second.admin, from, 'run.ended', run);
    expect(said(seen)).toEqual(TOLD);
    expect(seen.map(({ kind }) => kind)).not.toContain('reset');
    expect(new Set(seen.map((event) => 'id' in event && event.id)).size).toBe(seen.length);
  },
);

test('after a host that did not stop in order, its followers get what was kept and are told that some may be missing', async () => {
  const { first, from } = await spoken();
  await first.host.close();
  onTables(first.host, "UPDATE meta SET value = 'no' WHERE name = 'stopped'");
  const second = await front({ data: first.data });
  const seen = await after(second.admin, from, 'reset');
  expect(said(seen)).toEqual(TOLD);
  // Its last event was one that was never written.
  const era = Number(from.split('-')[0]);
  expect((await after(second.admin, `${era}-999999`, 'reset')).map(({ kind }) => kind)).toEqual(['reset']);
});

test('what a run said is gone from its events once it is erased', async () => {
  const { first, run } = await spoken();
  const { admin, host } = first;
  const events = async () => (await eventsOf(host)).filter((event) => event.run === run);
  await until(async () => (await events()).some(({ kind }) => kind === 'run.ended'));
  expect(JSON.stringify(await events())).toContain(WORD);
  await admin.eraseRun({ params: { run }, body: { reason: 'asked to' } });
  const left = await events();
  expect(left.filter(({ kind }) => kind === 'run.emitted' || kind === 'run.logged').map(({ data }) => data)).toEqual(TOLD.map(() => null));
  expect(JSON.stringify(left)).not.toContain(WORD);
});

test('a follower that asks for it is told which runs changed, though nothing else says so; others are not, and those of another tenant either', async () => {
  const made = await front({ configText: JSON.stringify({ tenants: { a: {}, b: {} } }) });
  const { admin, url, as } = made;
  const naps = `{ name: 'naps', async run({ sleep }) { for (let i = 0; i < 100; i++) await sleep(100); } }`;
  await made.deploy(naps, { tenant: 'a' });
  const { run } = await admin.submitRun({ body: { tenant: 'a', agent: 'naps' } });
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const heard = async (tenant: string, query: string) => {
    const { secret } = await as(tenant, 'operator');
    const answer = await fetch(`${url}/v1/events?${query}`, { headers: { authorization: `Bearer ${secret}` }, signal: stop.signal });
    let text = '';
    void (async () => {
      for await (const part of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) text += part;
    })().catch(() => undefined);
    return () => text.split('\n\n').filter((frame) => frame.includes('event: run.changed'));
  };
  const [own, silent, other, ofOther] = await Promise.all([
    heard('a', 'changes=true'),
    heard('a', ''),
    heard('b', 'changes=true'),
    heard('a', 'changes=true&run=run_000000000000'),
  ]);
  await until(() => own().length >= 2);
  for (const frame of own()) expect(frame).toBe(`event: run.changed\ndata: {"run":"${run}"}`);
  expect([silent(), other(), ofOther()]).toEqual([[], [], []]);
});
