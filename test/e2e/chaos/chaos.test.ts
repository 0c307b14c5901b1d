import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporary } from '../../world.ts';
import { chaos } from './chaos.ts';

test('whatever is killed and when, nothing is lost, nothing is done twice, and every run goes on', async () => {
  const result = await chaos({ folder: join(await temporary(), 'chaos'), runs: 60, kills: 20 });
  expect(result).toMatchObject({ runs: 60, lost: [], duplicated: [], otherwise: [] });
  expect(result.kills.host).toBeGreaterThan(0);
  expect(result.kills.cells).toBeGreaterThan(0);
});
