/** A cell that was taken over says that a run replays differently: it is asked of another process before the run is ended for it. */
import { describe, expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import type { Store } from '@corral/protocol/ports/store';
import { until } from '../until.ts';
import { gate, readingTool, world, type World } from '../world.ts';
import { Mixed } from './fixtures/bad-cells.ts';

/** A run that waits for a tool, and whose cell is gone: the next cell has to replay it. */
async function waiting(source: string, through?: (store: Store) => Store) {
  const door = gate();
  const launcher = new Mixed();
  const w = await world([readingTool('wait', () => door.opened.then(() => 'open'))], {
    launcher,
    spares: 0,
    cellsPerTenant: 2,
    ...(through === undefined ? {} : { through }),
  });
  const run = await w.submit(await w.deploy(source));
  await w.until(run.id, (view) => view?.waiting === 'call');
  await gone(w, run.id);
  return { w, launcher, run, open: door.open };
}
/** Kills the cell of a run. */
async function gone(w: World, run: RunId) {
  const pid = w.supervisor.cellOf(run)?.pid as number;
  process.kill(pid, 'SIGKILL');
  await until(() => w.supervisor.cells().every((cell) => cell.pid !== pid));
}
const SOUND = `{ name: 'sound', uses: { wait: 'tool:wait' }, async run({ caps }) { const before = Math.random(); await caps.wait({}); return before === before } }`;

describe('a process in a cell’s place that', () => {
  test.each(['says that a replay differs', 'says that a crank differs that it was not given', 'breaks a rule in a replay'])(
    '%s ends no run: another process replays it, and is believed',
    async (way) => {
      const { w, launcher, run, open } = await waiting(SOUND);
      launcher.way = way;
      open();
      expect(await run.ended).toEqual({ kind: 'completed', output: true });
      expect(launcher.way).toBeUndefined();
      const [bad] = launcher.bad;
      await until(() => bad?.pid === undefined, 'the cell that lied is gone');
      expect((await w.store.journal(run.id)).some(({ event }) => event?.kind === 'held')).toBe(false);
    },
  );
});

test('a run that two processes replay differently ends as diverged', async () => {
  const pages: string[] = [];
  // The journal says that it asked for something else than it asks for.
  const altered = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const member = Reflect.get(target, name) as unknown;
        if (name !== 'replayPage') return typeof member === 'function' ? (member as () => void).bind(target) : member;
        return async (...of: Parameters<Store['replayPage']>) => {
          const page = await target.replayPage(...of);
          pages.push(page.text);
          return { ...page, text: page.text.replaceAll('the door', 'the gate') };
        };
      },
    });
  const source = `{ name: 'other', uses: { wait: 'tool:wait' }, async run({ caps }) { await caps.wait({ at: 'the door' }); return 'done' } }`;
  const { run, open } = await waiting(source, altered);
  open();
  expect(await run.ended).toMatchObject({
    kind: 'diverged',
    crank: 1,
    expected: expect.stringContaining('the gate'),
    seen: expect.stringContaining('the door'),
  });
  expect(pages).toHaveLength(2);
});
