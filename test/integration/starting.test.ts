/** Admitted work on a host whose cells have not started yet: because none is needed yet, or because they do not start. */
import { describe, expect, test, vi } from 'vitest';
import type { CellLauncher } from '@corral/protocol/ports/machine';
import { findWalls, ProcessLauncher } from '@corral/supervisor';
import { temporary, world } from '../world.ts';

/** Launches a number of processes that end at once, and then real ones. */
function failingAtFirst(times: number): CellLauncher & { left: number } {
  const real = new ProcessLauncher(findWalls());
  return {
    left: times,
    launch(events) {
      if (this.left <= 0) return real.launch(events);
      this.left -= 1;
      const cell = real.launch({ onBytes: () => undefined, onExit: (exit) => events.onExit({ ...exit, code: 70, signal: null }) });
      cell.kill();
      return cell;
    },
  };
}

const GREETER = `{ name: 'greeter', run: () => 'hello' }`;

describe('while cells do not start', () => {
  test('a run that was admitted before waits, and is made once they do', async () => {
    const folder = await temporary();
    // No room in memory: the run is admitted, and stays in the store.
    const before = await world([], { folder, residency: { runs_in_memory: 0 } });
    const { id } = await before.submit(await before.deploy(GREETER));
    await before.close();
    const launcher = failingAtFirst(4);
    const after = await world([], { folder, launcher });
    expect(await after.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'hello' });
    expect(launcher.left).toBe(0);
  });

  test('a submit is refused and says why, also one that waits already', async () => {
    const folder = await temporary();
    const before = await world([], { folder });
    const version = await before.deploy(GREETER);
    await before.close();
    const after = await world([], { folder, launcher: failingAtFirst(1_000_000) });
    await expect(after.submit(version)).rejects.toMatchObject({ code: 'CORRAL_CELL_START' });
    await expect(after.submit(version)).rejects.toMatchObject({ code: 'CORRAL_CELL_START' });
  });

  test('the host says that it is stalled, until a cell is ready', async () => {
    const launcher = failingAtFirst(1_000_000);
    const w = await world([], { launcher });
    const stalls = () => w.supervisor.stalls.map(({ reason }) => reason);
    await vi.waitFor(() => expect(stalls()).toEqual(['cells_do_not_start']), 30_000);
    launcher.left = 0;
    await vi.waitFor(() => expect(stalls()).toEqual([]), 60_000);
    expect(w.seen.filter(({ kind }) => kind === 'stalled' || kind === 'moves').map(({ kind }) => kind)).toEqual(['stalled', 'moves']);
  }, 120_000);
});

// Bug no-spares: a host that keeps no spare cells started none before a run needed one, and no run was admitted before a cell had started.
test('a host that keeps no cells in reserve takes work on a folder that it has reopened', async () => {
  const folder = await temporary();
  const before = await world([], { folder, spares: 0 });
  const version = await before.deploy(GREETER);
  await before.close();
  const after = await world([], { folder, spares: 0 });
  const { ended } = await after.submit(version);
  expect(await ended).toEqual({ kind: 'completed', output: 'hello' });
});
