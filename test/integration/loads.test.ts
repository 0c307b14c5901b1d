/** The CPU time of loading a bundle, which has a limit of its own: what it is counted as, and how a load that never ends is stopped. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import { overrunStack } from '@corral/supervisor';
import { bundleSource } from '../bundles.ts';
import { manifestsOf } from '../describing.ts';
import { sharedWorld, type World } from '../world.ts';

const AGENT = `{ name: 'a', run({ input }) { while (input === 'spins'); return 1 } }`;
const CRANK = { crank_cpu_ms: 50 };
/** A crank may compute for so long before its run is ended. */
const LEAST_MS = CRANK.crank_cpu_ms + MACHINE.crank_slack_ms.default;
const MIB = 2;
const LOAD_MS = MIB * MACHINE.load_ms_per_mib.default;

/** Deploys an agent whose module does something before, in a bundle of some MiB. */
async function deploy(w: World, before: string, mib = 0) {
  const { source, describing } = await bundleSource(AGENT, join(w.folder, 'a.ts'));
  const bundle = `${before}\n${source}\n//${'x'.repeat(mib * 1024 * 1024)}`;
  const [version] = await w.supervisor.deploy('crew' as TenantId, bundle, await manifestsOf(describing));
  if (version === undefined) throw new Error('no agent');
  return { version, bundle };
}

const counts = (loops: number) => `(() => { for (let i = 0; i < ${loops}; i++); })();`;

/** CPU time of the first crank of a run, with the load of its bundle. Milliseconds. */
async function first_ms(w: World, id: Parameters<World['store']['journal']>[0]): Promise<number> {
  const [first] = await w.store.journal(id);
  return (first?.cpu_us ?? 0) / 1000;
}

/** How far a module may count on this machine so that it takes too long for a crank, and not too long for a load. */
async function loopsFor(w: World): Promise<number> {
  const tried = 50_000_000;
  const { version } = await deploy(w, counts(tried));
  const { id, ended } = await w.submit(version, '', { ceilings: { crank_cpu_ms: 10_000 } });
  expect(await ended).toEqual({ kind: 'completed', output: 1 });
  return Math.round((tried * Math.sqrt(LEAST_MS * LOAD_MS)) / (await first_ms(w, id)));
}

const exceeded = (what: string) => ({
  kind: 'exceeded',
  limit: 'cpu',
  message: expect.stringMatching(new RegExp(`^${what} used \\d+ ms of CPU time; it may use ${CRANK.crank_cpu_ms}\\.$`)) as string,
});

describe('loading a bundle', () => {
  const shared = sharedWorld([]);

  test('may take longer than a crank, counts as CPU time of the first one, and leaves that its own limit', async () => {
    const w = shared();
    const { version } = await deploy(w, counts(await loopsFor(w)), MIB);
    const { id, ended } = await w.submit(version, '', { ceilings: CRANK });
    expect(await ended).toEqual({ kind: 'completed', output: 1 });
    expect(await first_ms(w, id)).toBeGreaterThan(LEAST_MS);
    const spins = await w.submit(version, 'spins', { ceilings: CRANK });
    expect(await spins.ended).toEqual(exceeded('One crank'));
  });

  test('that never ends is stopped, and a replay says where it was', async () => {
    const w = shared();
    const { version, bundle } = await deploy(w, '(() => {\nfor (;;);\n})();');
    const { id, ended } = await w.submit(version, '', { ceilings: CRANK });
    expect(await ended).toEqual(exceeded('Loading its bundle'));
    const record = (await w.store.run(id))?.record;
    if (record === undefined) throw new Error('no record');
    const text = { digest: version.bundle, source: bundle };
    const trial = w.supervisor.trial.bind(w.supervisor);
    expect(await overrunStack(record, await w.store.journal(id), text, trial)).toMatch(/^ +at agent\.js:2:\d+/);
  });
});
