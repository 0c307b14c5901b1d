/** States that older builds saved are continued as if the run had never stopped. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { canLoad, Detectors } from './detectors.ts';
import type { Seen } from './events.ts';
import type { Finding } from './list.ts';
import { emptyProfile, learn } from './profile.ts';

/** A run that gives every detector a state: it repeats itself, fails, sends messages, uses up its purse and departs from its profile. */
function story(from: number, to: number): Seen[] {
  const events: Seen[] = [];
  for (let i = from; i < to; i++) {
    const at = i * 1000;
    const tool = ['read', 'search', 'pay', 'read'][i % 4] as string;
    const input = { path: `file ${i % 3}`, query: `flights from oslo to rome ${i % 5}` };
    events.push({ kind: 'call', at, id: i, tool: i > 30 ? 'delete_all' : tool, input, effect: tool === 'pay' });
    if (i % 4 === 2) events.push({ kind: 'result', at, id: i, error: { code: 'CORRAL_TOOL_FAILED', message: 'the bank said no' } });
    else events.push({ kind: 'result', at, id: i, value: { text: `No flights were found for these dates ${i % 2}` } });
    if (i % 5 === 0) events.push({ kind: 'sent', at, peer: 'writer', body: { text: 'please try again with other words' } });
    if (i % 7 === 0) events.push({ kind: 'received', at, peer: 'writer', body: { text: `file ${i}` } });
    events.push({ kind: 'meter', at, used: { calls: i, money: i / 2 }, limits: { calls: 60, money: 1000 } });
  }
  return events;
}

function profile() {
  const made = emptyProfile();
  for (let run = 0; run < 20; run++)
    learn(
      made,
      ['read', 'search', 'pay'].map((tool, n) => ({ tool, input: { path: `file ${n}`, query: 'flights' } })),
    );
  return made;
}

interface Kept {
  readonly format: number;
  readonly saved: unknown;
  readonly found: readonly Finding[];
  readonly stuck: number;
  readonly drift: number;
}

test('a state saved by format 2 goes on with the findings that the build of then would have had', () => {
  const kept = JSON.parse(readFileSync(new URL('saved-format-2.json', import.meta.url), 'utf8')) as Kept;
  expect(canLoad(kept.format)).toBe(true);
  const detectors = Detectors.load(kept.saved, { own: true, profile: profile(), traced: true });
  expect(story(25, 60).flatMap((event) => detectors.observe(event))).toEqual(kept.found);
  expect([detectors.stuckScore, detectors.driftScore]).toEqual([kept.stuck, kept.drift]);
});

test('a state of a build that nobody knows any more is not taken up', () => {
  expect([1, 4].map((format) => canLoad(format))).toEqual([false, false]);
});
