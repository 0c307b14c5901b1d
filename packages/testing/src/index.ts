/**
 * Tests of agents: the real agent in a real isolate behind the real broker, with fakes for what it may touch. A test checks effects: which ones, in which order, and how the run ended.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { bundleAgent } from '@corral/cli/bundle';
import { mapStack } from '@corral/cli/stack';
import { contractOf } from '@corral/protocol/ports/contract';
import type { Effect } from '@corral/protocol/wire/effect';
import { CorralError } from '@corral/protocol/errors';
import type { PrincipalId, TenantId } from '@corral/protocol/ids';
import type { Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Tool, ToolAnnotations } from '@corral/protocol/ports/tool';
import { SqliteStore } from '@corral/store/sqlite';
import { findWalls, ProcessLauncher, readImage, realClock, realRandom, Supervisor } from '@corral/supervisor';

const TENANT = 'test' as TenantId;

/** Stands for a tool: is given the arguments, gives the result. An exception reaches the agent as ToolFailed, with its message. */
export type Fake = (input: never) => unknown;
/** A fake with the annotations of the tool it stands for, where they matter. */
export interface FakeTool {
  readonly run: Fake;
  readonly annotations?: Partial<ToolAnnotations>;
  /** The tool’s own schemas, so that wrong arguments are refused as they would be. */
  readonly input?: z.ZodType;
  readonly output?: z.ZodType;
}

export interface TestedCall {
  readonly tool: string;
  readonly input: unknown;
  /** Undefined where it failed or was never answered. */
  readonly output?: unknown;
  readonly error?: string;
}

export interface TestedRun {
  readonly outcome: Outcome;
  /** The output of the agent; undefined unless it completed. */
  readonly output: unknown;
  /** Calls that reached a fake, in order. */
  readonly calls: readonly TestedCall[];
  /** Everything it asked for, denied or not, as its journal has it. */
  readonly effects: readonly Effect[];
  readonly logs: readonly string[];
  readonly events: readonly { readonly event: string; readonly data: unknown }[];
  /** With the author’s own lines. */
  readonly stack: string | undefined;
}

export interface AgentUnderTest extends AsyncDisposable {
  run(input?: unknown, more?: { readonly ceilings?: CeilingsRequest; readonly budget?: Budget }): Promise<TestedRun>;
  close(): Promise<void>;
}

const MEEK: ToolAnnotations = {
  readOnly: false,
  idempotent: false,
  destructive: false,
  openWorld: false,
  repeatable: false,
  returns: 'trusted',
};

/**
 * Bundles an agent and starts what it needs to run.
 * @param file the module whose default export is the agent
 * @param tools fakes by the name of the tool they stand for: `{ 'fs.read': ({ path }) => … }`
 * @throws CORRAL_CAP_UNKNOWN where the agent uses a tool for which there is no fake, CORRAL_BUNDLE_INVALID …
 */
export async function agentUnderTest(file: string | URL, tools: Readonly<Record<string, Fake | FakeTool>> = {}): Promise<AgentUnderTest> {
  const { source, describing, map } = await bundleAgent(file instanceof URL ? fileURLToPath(file) : file);
  const folder = await mkdtemp(join(tmpdir(), 'corral-testing-'));
  let calls: TestedCall[] = [];
  const fakes = Object.entries(tools).map(([name, fake]) => toolOf(name, fake, (call) => calls.push(call)));
  const store = await SqliteStore.open(folder, { keys: { kind: 'file' } });
  const supervisor = await Supervisor.start({
    store,
    launcher: new ProcessLauncher(findWalls()),
    clock: realClock,
    random: realRandom,
    tenants: { [TENANT]: { tools: fakes } },
    image: readImage(),
    cores: 2,
  });
  let closing: Promise<void> | undefined;
  const close = () =>
    (closing ??= (async () => {
      await supervisor.close();
      await rm(folder, { recursive: true, force: true });
    })());
  try {
    const [manifests] = await supervisor.describe([describing]);
    const [version] = await supervisor.deploy(TENANT, source, manifests);
    if (version === undefined) throw new CorralError('CORRAL_MANIFEST_INVALID', 'The module defines no agent.');
    return {
      async run(input = {}, more = {}) {
        calls = [];
        const mine = calls;
        const { id, ended } = await supervisor.submit({ tenant: TENANT, version, input, principal: 'test' as PrincipalId, ...more });
        const outcome = await ended;
        const effects = (await store.journal(id)).flatMap((entry) =>
          entry.effects === undefined ? [] : (JSON.parse(entry.effects) as Effect[]),
        );
        return {
          outcome,
          output: outcome.kind === 'completed' ? outcome.output : undefined,
          calls: mine,
          effects,
          logs: effects.flatMap((effect) => (effect.kind === 'log' ? [effect.text] : [])),
          events: effects.flatMap((effect) => (effect.kind === 'emit' ? [{ event: effect.event, data: effect.data }] : [])),
          stack: 'stack' in outcome && outcome.stack !== undefined ? mapStack(outcome.stack, map) : undefined,
        };
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function toolOf(name: string, fake: Fake | FakeTool, tell: (call: TestedCall) => void): Tool {
  const { run, annotations = {}, input = z.unknown(), output = z.unknown() }: FakeTool = typeof fake === 'function' ? { run: fake } : fake;
  return {
    name,
    description: `A fake of ${name}.`,
    input: contractOf(input),
    output: contractOf(output, 'output'),
    annotations: { ...MEEK, ...annotations },
    async invoke(call) {
      try {
        const value = (await run(call.input as never)) ?? null;
        tell({ tool: name, input: call.input, output: value });
        return { kind: 'ok', value };
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        tell({ tool: name, input: call.input, error: message });
        return { kind: 'failed', message };
      }
    },
  };
}
