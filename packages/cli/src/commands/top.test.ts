import { expect, test } from 'vitest';
import { totalsLines } from './top.ts';

const CREW = {
  tenant: 'crew',
  live: 2_205,
  queued: 1_200,
  active: 1_000,
  paused: 4,
  quarantined: 1,
  queue_most: 10_000,
  residents: 1_500,
  residents_most: 2_000,
  busy: 700,
  cells: 2,
  cells_most: 2,
  replay_cpu_ms: 1_400,
};

test('top counts all runs, also those that it has no room to show, and says how many are', () => {
  const zoo = {
    ...CREW,
    tenant: 'zoo',
    live: 1,
    queued: 0,
    active: 1,
    paused: 0,
    quarantined: 0,
    residents: 1,
    busy: 0,
    cells: 1,
    replay_cpu_ms: 0,
  };
  const [head, titles, crew] = totalsLines({ items: [CREW, zoo], cells: 4 }, 200);
  expect(head).toBe(
    '2206 runs, the newest 200 shown: 1200 queued, 1001 active, 4 paused, 1 quarantined; 700 of 1501 in memory have something to do; 4 cells',
  );
  expect(titles).toMatch(/^tenant +live +queued +active/);
  expect(crew).toMatch(/^crew +2205\/10000 .* 1500\/2000 +700 +2\/2 +1\.4 s$/);
  expect(totalsLines({ items: [zoo], cells: 1 }, 1)[0]).not.toContain('shown');
});
