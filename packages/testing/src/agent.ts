/** Runs an agent or a service for a test, and tells all that it did. */
import { fileURLToPath } from 'node:url';
import { bundleToTry, inAuthorsWords } from '@corral/cli/bundle';
import { whereItComputed } from '@corral/cli/overrun';
import { mapStack } from '@corral/cli/stack';
import type { Effect } from '@corral/protocol/wire/effect';
import { CorralError } from '@corral/protocol/errors';
import { AgentName, type PrincipalId } from '@corral/protocol/ids';
import type { AgentVersion, Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { SkippingClock } from './clock.ts';
import { inTestsWords, type Fakes, type TestedCall } from './fakes.ts';
import { testHost, type TestHost } from './host.ts';
import type { Answered, Rules } from './rules.ts';

export interface TestedRun {
  readonly outcome: Outcome;
  /** The output of the agent; undefined unless it completed. */
  readonly output: unknown;
  /** Calls that reached a fake, in order. */
  readonly calls: readonly TestedCall[];
  /** Calls about which people were asked, with their answer. */
  readonly asked: readonly Answered[];
  /** Everything it asked for, denied or not, as its journal has it. */
  readonly effects: readonly Effect[];
  readonly logs: readonly string[];
  readonly events: readonly { readonly event: string; readonly data: unknown }[];
  /** With the author’s own lines. */
  readonly stack: string | undefined;
}

/** The run did not complete. Its stack leads to the agent's own line, where the agent threw. */
export class AgentFailed extends Error {
  override readonly name = 'AgentFailed';
  /** As in `failed(CODE)`; undefined for outcomes without one, such as `killed`. */
  readonly code: string | undefined;
  declare readonly run: TestedRun;

  constructor(run: TestedRun) {
    const { outcome, stack } = run;
    super(`${outcomeText(outcome)}${'message' in outcome ? `: ${outcome.message}` : 'reason' in outcome ? `: ${outcome.reason}` : ''}`);
    // Not enumerable: runners of tests print what is, and the run has pages of effects and a second stack.
    Object.defineProperty(this, 'run', { value: run });
    this.code = 'code' in outcome ? outcome.code : undefined;
    if (stack !== undefined) this.stack = `${this.name}: ${this.message}\n${stack}`;
  }
}

export interface RunOptions {
  readonly ceilings?: CeilingsRequest;
  readonly budget?: Budget;
}

export interface AgentUnderTest extends AsyncDisposable {
  /** @throws AgentFailed if the run does not complete, with the agent's own error and line */
  run(input?: unknown, more?: RunOptions): Promise<TestedRun>;
  /** Runs the agent to its end, however it ends, for tests of failures. */
  end(input?: unknown, more?: RunOptions): Promise<TestedRun>;
  /**
   * Sends a message to an instance of the service, as a person. `output` is the reply; the rest is what the instance did for it.
   * @param key of the instance, which keeps its state between messages. Default: `test`
   * @throws AgentFailed if the handler throws
   */
  send(handler: string, message?: unknown, key?: string): Promise<TestedRun>;
  /** Frees its process and its folder early. Under `corral test` and `node --test`, the end of the test file does so as well. */
  close(): Promise<void>;
}

const PRINCIPAL = 'user:test' as PrincipalId;
/** Runs of a test that are looked through for the instances of its service. */
const RUNS = 1_000;

/**
 * Bundles an agent or a service, and starts what it needs to run.
 * @param file the module whose default export is the agent
 * @param tools fakes by the name of the tool they stand for: `{ 'fs.read': ({ path }) => … }`
 * @param rules policies, thresholds and approvals; the time at which the test begins
 * @throws CORRAL_CAP_UNKNOWN where the agent uses a tool for which there is no fake, CORRAL_BUNDLE_INVALID …
 */
export function agentUnderTest(file: string | URL, tools: Fakes = {}, rules: Rules = {}): Promise<AgentUnderTest> {
  return underTest(file, tools, rules);
}

/** As `agentUnderTest`, by a clock of the caller. */
export async function underTest(file: string | URL, tools: Fakes, rules: Rules, clock?: SkippingClock): Promise<AgentUnderTest> {
  const where = { stack: '' };
  Error.captureStackTrace(where, agentUnderTest);
  // The bundler is a process of its own, which works while the host starts.
  const bundling = bundleToTry(pathOf(file));
  bundling.catch(() => undefined);
  const host = await testHost(tools, rules, rules.config === undefined ? undefined : pathOf(rules.config), clock);
  try {
    const bundled = await bundling;
    const { supervisor, tenant } = host;
    const [manifests] = await inAuthorsWords(bundled, supervisor.describe([bundled.describing]));
    const [version] = await supervisor.deploy(tenant, bundled.source, manifests, bundled.map);
    if (version === undefined) throw new CorralError('CORRAL_MANIFEST_INVALID', 'The module defines no agent.');
    const one = (given: AgentVersion, input: unknown, more: RunOptions = {}) => endOf(host, given, version, input, more, bundled.map);
    const close = () => host.close();
    const completed = (run: TestedRun) => {
      if (run.outcome.kind !== 'completed') throw new AgentFailed(run);
      return run;
    };
    return {
      run: async (input = {}, more = {}) => completed(await one(version, input, more)),
      end: (input = {}, more = {}) => one(version, input, more),
      send: async (on, message = null, key = 'test') =>
        completed(await one(await supervisor.sender(tenant, AgentName.parse(version.manifest.name), on), { key, on, message })),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await host.close();
    throw inTestsWords(error, tools, rules.config !== undefined, where.stack.replace(/^Error\n/u, ''));
  }
}

const pathOf = (file: string | URL): string => (file instanceof URL ? fileURLToPath(file) : file);

/** Runs one job to its end. For a service, the effects are those of the instance since the message. */
async function endOf(
  host: TestHost,
  given: AgentVersion,
  version: AgentVersion,
  input: unknown,
  more: RunOptions,
  map: string,
): Promise<TestedRun> {
  const { supervisor, store, tenant } = host;
  host.fresh();
  const before = new Map<string, number>();
  const isService = given !== version;
  const instances = async () => (await store.runs({ tenant, limit: RUNS })).filter(({ record }) => record.agent === version.manifest.name);
  if (isService) for (const { record, seq } of await instances()) before.set(record.id, seq);
  const { id, ended } = await supervisor.submit({ tenant, version: given, input, principal: PRINCIPAL, ...more });
  const outcome = await ended;
  const runs = isService ? (await instances()).map(({ record }) => record.id) : [id];
  const effects: Effect[] = [];
  for (const run of runs)
    for (const entry of await store.journal(run, before.get(run) ?? 0))
      if (entry.effects !== undefined) effects.push(...(JSON.parse(entry.effects) as Effect[]));
  const stack = 'stack' in outcome ? outcome.stack : await whereItComputed(host, id, outcome);
  return {
    outcome,
    output: outcome.kind === 'completed' ? outcome.output : undefined,
    calls: host.calls(),
    asked: host.asked(),
    effects,
    logs: effects.flatMap((effect) => (effect.kind === 'log' ? [effect.text] : [])),
    events: effects.flatMap((effect) => (effect.kind === 'emit' ? [{ event: effect.event, data: effect.data }] : [])),
    stack: stack === undefined ? undefined : mapStack(stack, map),
  };
}
