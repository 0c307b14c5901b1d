/** The people whose private data the entries of a journal may hold: they say it, and for older ones it is computed to the same. */
import { expect, test } from 'vitest';
import * as z from 'zod';
import type { RunId } from '@corral/protocol/ids';
import type { Store } from '@corral/protocol/ports/store';
import { privateIn } from '@corral/supervisor';
import { made, READS, sharedBus, TOOLS, USES } from './flowing.ts';
import type { World } from '../world.ts';

const SECRET = 'Ann earns 91234 a year';
const hr = made('hr.get', z.object({}), { ...READS, returns: 'trusted', private_to: 'ann' }, () => ({ text: SECRET }));
const host = sharedBus([...TOOLS, hr]);
const uses = USES.replace(/ \}$/, `, get: 'tool:hr.get' }`);
const agent = (body: string) => `{ name: 'main', ${uses}, async run({ caps, open, checkpoint, state, log, emit, sleep }) { ${body} } }`;

async function journalOf(w: World, body: string): Promise<RunId> {
  const { id, ended } = await w.submit(await w.deploy(agent(body)));
  await ended;
  return id;
}

/** As a host wrote journals before entries said it. */
const older = (store: Store): Store =>
  new Proxy(store, {
    get: (of, name) =>
      name === 'journal'
        ? async (...range: Parameters<Store['journal']>) =>
            (await of.journal(...range)).map(({ private_to: _private_to, ...entry }) => entry)
        : (Reflect.get(of, name) as (...args: unknown[]) => unknown).bind(of),
  });

test.each([
  ['reads it', `log('info', 'before'); const { text } = await caps.get({}); log('info', text); await sleep(1); return text;`],
  [
    'holds it behind a handle, and says nothing of it',
    `const h = await caps.get.handle({}); log('info', 'held'); await sleep(1); return 'done';`,
  ],
  ['opens it', `const h = await caps.get.handle({}); await sleep(1); const { text } = await open(h); return text.length;`],
  ['ends with it behind a handle', `return { it: await caps.get.handle({}) };`],
  [
    'keeps it over a checkpoint',
    `if (state) { await sleep(1); return state; } const { text } = await caps.get({}); await checkpoint({ text });`,
  ],
  ['keeps it behind a handle over a checkpoint', `if (state) return 'kept'; await checkpoint({ h: await caps.get.handle({}) });`],
])('an entry says it, and so does what is computed from an older journal, of a run that %s', async (_, body) => {
  const w = host();
  const run = await journalOf(w, body);
  const entries = await w.store.journal(run);
  const computed = await privateIn(older(w.store), run);
  expect(entries.map(({ seq, private_to }) => [seq, private_to])).toEqual(entries.map(({ seq }) => [seq, computed.get(seq) ?? []]));
  // Each entry in which the words stand is private, and the first, of before it was read, is not.
  for (const { private_to } of entries.filter((entry) => JSON.stringify(entry).includes(SECRET))) expect(private_to).toEqual(['ann']);
  expect(entries[0]?.private_to).toEqual([]);
  expect(entries.some(({ private_to }) => private_to?.includes('ann'))).toBe(true);
});

test('a run that only holds private data as a handle goes on in public', async () => {
  const w = host();
  const run = await journalOf(
    w,
    `const h = await caps.get.handle({}); await sleep(1); log('info', 'later'); await sleep(1); return 'done';`,
  );
  const entries = await w.store.journal(run);
  expect(entries.map(({ private_to }) => private_to)).toContainEqual(['ann']);
  expect(entries.at(-1)?.private_to).toEqual([]);
});
