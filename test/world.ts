/** A real host for tests: real cells, a real store in a folder of its own, tools that the test brings along. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import * as z from 'zod';
import { bundleAgent, type BundledAgent } from '@corral/cli/bundle';
import type { Attenuation } from '@corral/protocol/model/grant';
import type { PrincipalId, RunId, TenantId } from '@corral/protocol/ids';
import type { AgentVersion, Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { Commit, Store } from '@corral/protocol/ports/store';
import type { Tool, ToolAnnotations, ToolCall } from '@corral/protocol/ports/tool';
import {
  findWalls,
  ProcessLauncher,
  readImage,
  realClock,
  realRandom,
  Supervisor,
  type Observation,
  type RunView,
  type SupervisorOptions,
} from '@corral/supervisor';
import { inlineTool } from '@corral/tools/define';
import { STORE } from './conformance/stores.ts';
import { manifestsOf } from './describing.ts';
import { bundleSource, type AgentSource } from './bundles.ts';
import { shared, type Finished } from './shared.ts';
import { until, found } from './until.ts';

export interface World {
  readonly supervisor: Supervisor;
  readonly store: Store;
  readonly folder: string;
  readonly seen: Observation[];
  deploy(source: AgentSource, tenant?: string): Promise<AgentVersion>;
  /** Deploys the agent of a file. */
  deployFile(file: string, tenant?: string): Promise<AgentVersion>;
  submit(
    version: AgentVersion,
    input?: unknown,
    more?: { tenant?: string; ceilings?: CeilingsRequest; budget?: Budget; grants?: Readonly<Record<string, Attenuation>> },
  ): ReturnType<Supervisor['submit']>;
  /** Deploys, submits and waits for the end. */
  run(
    source: AgentSource,
    input?: unknown,
    more?: Parameters<World['submit']>[2],
  ): Promise<Awaited<Awaited<ReturnType<Supervisor['submit']>>['ended']>>;
  /** Waits until something holds of a run. */
  until(run: RunId, holds: (view: RunView | undefined) => boolean): Promise<void>;
  close(): Promise<void>;
}

export async function temporary(finished: Finished = onTestFinished): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-test-'));
  finished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Manifests by the bundle that describes them: the same bundle in another test has the same ones. */
const described = new Map<string, unknown>();

/**
 * CPU time of a crank where the agent says nothing: the first one of an agent with a large library takes a quarter of a second on a slow
 * machine, which is all that it has by default. Tests are about that limit only where they name it.
 */
const AMPLE_MS = 2_000;

/** Manifests as they were described, with ample CPU time for the cranks of agents that do not ask for any. */
const withAmpleTime = (manifests: unknown): unknown =>
  Array.isArray(manifests)
    ? manifests.map((one: { ceilings?: object }) => ({ ...one, ceilings: { crank_cpu_ms: AMPLE_MS, ...one.ceilings } }))
    : manifests;

export interface WorldOptions extends Partial<SupervisorOptions> {
  readonly folder?: string;
  /** The store as the supervisor is to see it. */
  readonly through?: (store: Store) => Store;
}

/**
 * One host for all tests of a file or a `describe`, where none of them changes what the others meet: the start of a host and of its first
 * cell is most of what a short test takes. Called at the top of it.
 */
export function sharedWorld(...of: Parameters<typeof world>): () => World {
  return shared((finished) => world(of[0], of[1], finished));
}

export async function world(
  tools: readonly Tool[] = [],
  { through = (store) => store, ...options }: WorldOptions = {},
  finished: Finished = onTestFinished,
): Promise<World> {
  const folder = options.folder ?? (await temporary(finished));
  const store = await STORE.open(join(folder, 'data'));
  const seen: Observation[] = [];
  const supervisor = await Supervisor.start({
    store: through(store),
    launcher: new ProcessLauncher(findWalls()),
    clock: realClock,
    random: realRandom,
    image: readImage(),
    cores: 2,
    // A cell is started when a run needs it: one that nobody uses by the end of a test takes as much of the CPU as one that is used.
    spares: 0,
    tenants: { crew: { tools }, zoo: { tools } },
    ...options,
  });
  supervisor.observe((observation) => seen.push(observation));
  let open = true;
  const close = async () => {
    if (!open) return;
    open = false;
    await supervisor.close();
  };
  finished(close);
  let files = 0;
  const deployBundle = async ({ source, describing }: BundledAgent, tenant: string) => {
    // Where the test starts the cells, each one counts.
    const known = options.launcher === undefined ? (described.get(describing) ?? (await manifestsOf(describing))) : undefined;
    const manifests = known ?? (await supervisor.describe([describing], tenant as TenantId))[0];
    described.set(describing, manifests);
    const [version] = await supervisor.deploy(tenant as TenantId, source, withAmpleTime(manifests));
    if (version === undefined) throw new Error('no agent');
    return version;
  };

  const made: World = {
    supervisor,
    store,
    folder,
    seen,
    async deploy(source, tenant = 'crew') {
      return deployBundle(await bundleSource(source, join(folder, 'agents', `${(files += 1)}.ts`)), tenant);
    },
    async deployFile(file, tenant = 'crew') {
      return deployBundle(await bundleAgent(file), tenant);
    },
    submit: (version, input = {}, { tenant = 'crew', ...more } = {}) =>
      supervisor.submit({ tenant: tenant as TenantId, version, input, principal: 'test' as PrincipalId, ...more }),
    async run(source, input, more) {
      const { ended } = await made.submit(await made.deploy(source, more?.tenant), input, more);
      return ended;
    },
    async until(run, holds) {
      await until(() => holds(supervisor.view(run)), `of ${run}: ${holds.toString()}`);
    },
    close,
  };
  return made;
}

const READING: ToolAnnotations = {
  readOnly: true,
  idempotent: true,
  destructive: false,
  openWorld: false,
  repeatable: false,
  returns: 'trusted',
};

/** A tool made of a function. Without annotations it changes things, and must not be done twice. */
export function tool(
  name: string,
  run: (input: Record<string, unknown>, call: ToolCall) => unknown,
  annotations: Partial<ToolAnnotations> = {},
): Tool {
  return inlineTool({ name, description: name, input: z.record(z.string(), z.unknown()), output: z.unknown(), annotations, run });
}
export const readingTool = (name: string, run: Parameters<typeof tool>[1]): Tool => tool(name, run, READING);

/** Has the host park what is idle until this run is parked. */
export const park = (w: World, run: RunId): Promise<void> =>
  until(async () => {
    await w.supervisor.park();
    return (await w.store.run(run))?.parked === true;
  }, `${run} is parked`);

/** The first approval that is open; of one run, where it is named. */
export const openApproval = (w: World, run?: RunId) =>
  found(
    async () => (await w.supervisor.approvals()).find((one) => run === undefined || one.run === run),
    `a call${run === undefined ? '' : ` of ${run}`} waits for people`,
  );

/** A promise and what settles it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  return { opened: promise, open: () => resolve(undefined) };
}

/** A store that keeps back some commits until they may be written. */
export function keepingBack(store: Store, isKept: (commit: Commit) => boolean, until: Promise<unknown>): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'commit')
        return async (commit: Commit) => {
          if (isKept(commit)) await until;
          return target.commit(commit);
        };
      const member = Reflect.get(target, name) as unknown;
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
