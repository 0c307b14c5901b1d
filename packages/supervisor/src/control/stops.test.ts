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

// Bug resumed-unlearned (seed 9917100813 with two hosts): a node took a run that another node had put under quarantine since it last learned
// what was decided. It knew no quarantine that stops the run, so it resumed it.
test('a run under quarantine is resumed only by a node that has learned which quarantines stand by then', async () => {
  const quarantine: Quarantine = { kind: 'tenant', name: 'crew', by: 'ana', reason: 'odd', at: 1 };
  const stored: Quarantine[] = [quarantine];
  const store = { quarantines: async () => [...stored], revoked: async () => [], quarantined: async () => [] } as unknown as Store;
  const ledger = { record: { id: 'run_a', tenant: 'crew', agent: 'a' }, version: 'sha256:1', control: 'quarantined' };
  const run = { id: 'run_a', control: 'quarantined', ledger } as unknown as Run;
  const resumed: RunId[] = [];
  const control = {
    pause: async () => undefined,
    resume: async (id: RunId) => void resumed.push(id),
  } as unknown as StopsOptions['control'];
  const stops: Stops = new Stops({
    store,
    control,
    quarantines: new Quarantines(store),
    grants: new Grants(),
    runs: new Map(),
    learn: () => stops.follow({ quarantines: true, revoked: [] }),
    transitions: new Transitions(),
  } as unknown as StopsOptions);
  await stops.resumeIfFree(run);
  expect(resumed).toEqual([]);
  stored.length = 0;
  await stops.follow({ quarantines: true, revoked: [] });
  await stops.resumeIfFree(run);
  expect(resumed).toEqual(['run_a']);
});
