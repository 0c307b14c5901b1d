/**
 * Measures the cost of policies, information flow and detectors for users: calls and cold starts of a host with a hundred policies. The
 * floor is the same host without any of them, in the same process.
 */
import { createHash } from 'node:crypto';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { catalog } from '@corral/policy/cedar/catalog';
import { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { TenantId } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import type { TenantOptions } from '@corral/supervisor';
import { callSampler, CALLS, LOOP, CLOSED } from './calls.ts';
import { durations, type Figure } from './measure.ts';
import { policies, TARGETS } from './policies.ts';
import { coldStart, FIRST, mark } from './starts.ts';
import { benchWorld, OBSERVE, settled } from './world.ts';

const TENANT = 'bench' as TenantId;
const POLICIES = 100;

function withEverything(tools: readonly Tool[]): Record<string, TenantOptions> {
  const targets = [
    ...TARGETS,
    ...tools.map(({ name, annotations, input }) => ({
      kind: 'tool' as const,
      name,
      annotations,
      input: input.schema,
    })),
  ];
  const current = PolicyInForce.load({
    engine: cedar,
    catalog: catalog({ targets }),
    sources: [{ file: 'bench.cedar', text: policies(POLICIES) }],
    digest: (text) => `sha256:${createHash('sha256').update(text).digest('hex')}`,
  });
  return { [TENANT]: { tools, policies: { current }, loops: { ladder: OBSERVE } } };
}
const withNothing = (tools: readonly Tool[]): Record<string, TenantOptions> => ({ [TENANT]: { tools, loops: false } });

const NOTE = `${POLICIES} policies, information flow and detectors; floor: the same host without`;

/** @returns `call-closed` and `call-effect`, in milliseconds for each call */
export async function everything(): Promise<Figure[]> {
  const results: Figure[] = [];
  const effect = { ...CLOSED, readOnly: false, idempotent: false };
  for (const [name, annotations] of [
    ['call-closed', CLOSED],
    ['call-effect inline 1 run', effect],
  ] as const) {
    const worlds = [withEverything, withNothing].map(async (tenants) => {
      const { tool, take } = callSampler();
      const tools = [tool('ask', annotations)];
      const world = await benchWorld(tools, { tenants: tenants(tools) });
      const version = await world.deploy(LOOP('ask'));
      const sample = async () => {
        const { ended } = await world.submit(version, CALLS);
        const outcome = await ended;
        if (outcome.kind !== 'completed') throw new Error(JSON.stringify(outcome));
        return take();
      };
      await sample();
      return { world, sample };
    });
    const [all, none] = await Promise.all(worlds);
    if (all === undefined || none === undefined) throw new Error('two hosts were to be measured');
    results.push(await durations(`${name}, everything on`, 7, all.sample, none.sample, { note: NOTE }));
    await all.world.close();
    await none.world.close();
  }
  results.push(await coldStarts());
  return results;
}

async function coldStarts(): Promise<Figure> {
  const worlds = [withEverything, withNothing].map(async (tenants) => {
    const heard = { at: 0 };
    const tools = [mark(() => (heard.at = performance.now()))];
    const world = await benchWorld(tools, { tenants: tenants(tools) });
    const version = await world.deploy(FIRST);
    await coldStart(world, heard, 50, version);
    await settled(world);
    return { world, sample: () => coldStart(world, heard, 100, version) };
  });
  const [all, none] = await Promise.all(worlds);
  if (all === undefined || none === undefined) throw new Error('two hosts were to be measured');
  const figure = await durations('cold-start, everything on', 7, all.sample, none.sample, { note: NOTE });
  await all.world.close();
  await none.world.close();
  return figure;
}
