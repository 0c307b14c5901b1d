import { expect, test } from 'vitest';
import { Grants } from '@corral/policy/capability/grants';
import type { RunId } from '@corral/protocol/ids';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import type { Store } from '@corral/protocol/ports/store';
import { Transitions } from '../events/transitions.ts';
import type { Run } from '../runs/run.ts';
import { Quarantines } from './quarantine.ts';
import { Stops, type StopsOptions } from './stops.ts';

test('a quarantine of another node stops the runs here also if the store could not say at first which grants were revoked', async () => {
  const quarantine: Quarantine = { kind: 'agent', name: 'crew/a', tenant: 'crew', by: 'ana', reason: 'odd', at: 1 };
  let isDeaf = true;
  const store = {
    quarantines: async () => [quarantine],
    revoked: async () => {
      if (isDeaf) throw new Error('gone');
      return [];
    },
  } as unknown as Store;
  const run = { id: 'run_a', ledger: { record: { id: 'run_a', tenant: 'crew', agent: 'a' }, version: 'sha256:1' } } as unknown as Run;
  const stopped: RunId[] = [];
  const control = { pause: async (id: RunId) => void stopped.push(id) } as unknown as StopsOptions['control'];
  const stops = new Stops({
    store,
    control,
    quarantines: new Quarantines(store),
    grants: new Grants(),
    runs: new Map([[run.id, run]]),
    transitions: new Transitions(),
  } as unknown as StopsOptions);
  const all = { quarantines: true, revoked: undefined };
  await expect(stops.follow(all)).rejects.toThrow('gone');
  isDeaf = false;
  await stops.follow(all);
  expect(stopped).toEqual(['run_a']);
});
