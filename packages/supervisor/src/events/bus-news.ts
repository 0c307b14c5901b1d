/** News of the bus of which observers are told, and from which nothing follows for the run. */
import type { Clock } from '@corral/protocol/ports/machine';
import type { RunTable } from '../runs/places.ts';
import { firstParts, type ToolLookup } from './cranks.ts';
import type { Tell } from './observation.ts';
import type { Transitions } from './transitions.ts';

interface Parts {
  readonly runs: RunTable;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly tool: ToolLookup;
}

export function tellOfBus(bus: Transitions['bus'], { runs, clock, tool }: Parts, tell: Tell): void {
  bus.created.listen((run) => tell({ kind: 'admitted', run }));
  bus.warned.listen((run, { holder, period, which, name, committed, bound }) =>
    tell({ kind: 'warned', run, holder, period, which, name, committed, soft: bound }),
  );
  bus.context.listen((run, changes) => tell({ kind: 'context', run, changes }));
  bus.chunk.listen((id, call, offset, count, place) => {
    const run = offset === 0 ? runs.get(id) : undefined;
    const first = run && firstParts(run, call, clock.monotonic(), tool);
    tell({ kind: 'chunk', run: id, call, offset, count, place, ...(first === undefined ? {} : { first }) });
  });
  bus.controlled.listen((run, control, by) => tell({ kind: 'controlled', run, control, by }));
  bus.emitted.listen((run, event, data, place) => tell({ kind: 'emitted', run, event, data, place }));
  bus.logged.listen((run, level, text, place) => tell({ kind: 'logged', run, level, text, place }));
}
