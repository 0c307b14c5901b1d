/** A payload of each technique class that broke other sandboxes, in an isolate and directly in a cell's place. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readFile } from 'node:fs/promises';
import { Arena } from './arena.ts';
import { CLASSES } from './classes.ts';
import { findWalls, osWall } from '@corral/supervisor/host/walls';

let arena: Arena;
beforeAll(async () => {
  arena = await Arena.start();
}, 60_000);
afterAll(() => arena.close());

const NOTHING = { moved: [], crashed: false, survivors: 0, applies: true };
const every = CLASSES.flatMap(({ id, payloads }) => payloads.map((code, i) => ({ id: `${id} ${i + 1}`, code })));

describe('in an isolate,', () => {
  test.each(every)('$id moves no canary, and its host goes on', async (payload) => {
    // A payload that the host does not take would move nothing either.
    const ran = expect.not.stringMatching(/^refused|did not answer/) as string;
    expect(await arena.inIsolate(payload)).toMatchObject({ ...NOTHING, ended: ran });
  });
});

describe('directly in a cell’s place,', () => {
  const isWalled = osWall(findWalls()) === 'bubblewrap';
  const isFirst = ({ id }: { id: string }) => id.endsWith(' 1');
  const expectNothing = async (payload: (typeof every)[number]) => expect(await arena.inCell(payload)).toMatchObject(NOTHING);
  test.runIf(isWalled).each(every.filter(isFirst))('$id moves no canary, and its host goes on', (payload) => expectNothing(payload));
  test.runIf(isWalled).each(every.filter((one) => !isFirst(one)))(
    '$id moves no canary, and its host goes on',
    { tags: 'long' },
    (payload) => expectNothing(payload),
  );

  test('and without a wall, canaries move: they can', async () => {
    const none = { bubblewrap: { missing: 'left out on purpose' }, user: { missing: 'left out on purpose' } };
    const payload = { id: 'read', code: `require('node:fs').readFileSync(canary.file, 'utf8')` };
    expect(await arena.inCell(payload, none)).toMatchObject({ moved: ['file'] });
    const environment = { id: 'environment', code: `require('node:fs').readFileSync('/proc/' + canary.host + '/environ', 'utf8')` };
    expect((await arena.inCell(environment, none)).moved).toContain('env');
  });
});

test('each class is in the README, with its source', async () => {
  const text = await readFile(new URL('README.md', import.meta.url), 'utf8');
  for (const { id } of CLASSES) expect(text).toContain(`| \`${id}\` |`);
});
