/** A host that decides cranks in slices of one effect. */
import type { Slice } from '@corral/broker/bus';
import type { RunId } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import { world, type World, type WorldOptions } from '../world.ts';
import { until } from '../until.ts';

/** A host that decides one effect in a slice, and without a limit after `hurry`. */
export async function slowly(tools: readonly Tool[], options: WorldOptions = {}) {
  const slices = new Map<RunId, number>();
  const slice = (run: RunId): Slice => {
    slices.set(run, (slices.get(run) ?? 0) + 1);
    return all.hurries ? { effects: Number.POSITIVE_INFINITY, gap_ms: 0 } : { effects: 1, gap_ms: 1 };
  };
  const all = { hurries: false };
  const w = await world(tools, { ...options, slice });
  return {
    w,
    /** Resolves when a crank of the run is being decided. */
    within: (run: RunId) => until(() => (slices.get(run) ?? 0) > 50, 'some slices'),
    hurry: () => (all.hurries = true),
  };
}

/** The kind of each entry of a run: a crank, or that of its event. */
export const kinds = async ({ store }: World, run: RunId) => {
  const entries = await store.journal(run);
  return entries.map(({ effects, event }) => (effects === undefined ? event?.kind : 'crank'));
};
