/** Hosts and cells that are really killed, a few of each; `npm run test:long` kills a hundred. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporary } from '../../world.ts';
import { chaos } from './chaos.ts';
import { race } from './race.ts';

test('whatever is killed and when, nothing is lost, nothing is done twice, and every run goes on', async () => {
  const result = await chaos({ folder: join(await temporary(), 'chaos'), runs: 15, kills: 8 });
  expect(result).toMatchObject({ runs: 15, lost: [], duplicated: [], otherwise: [] });
  expect(result.kills.host).toBeGreaterThan(0);
  expect(result.kills.cells).toBeGreaterThan(0);
});

test('no message is lost on a run that leaves memory just when it comes', async () => {
  const { woken, wrong } = await race(30);
  expect(wrong).toEqual([]);
  expect(woken).toBeGreaterThanOrEqual(30);
});
