/**
 * The prelude: the code that every isolate starts with. Evaluated once, before any code of an agent, with the host's two
 * functions and the configuration; returns the one function through which the cell drives the isolate.
 */
import type { Delivery } from '@corral/protocol/wire/delivery';
import {
  BEGIN,
  COLLECT,
  DELIVER,
  REJECTED,
  type Abi,
  type HostFunctions,
  type PreludeConfig,
  type Rejected,
  type RunConfig,
  type SpareConfig,
  type Thrown,
} from '../abi.ts';
import type { AgentDefinition } from '../sdk/types.ts';
import { Agent } from './agent.ts';
import { bare } from './bare.ts';
import { installContext } from './context.ts';
import { beginClock, installClock, now } from './clock.ts';
import { makeConsole } from './console.ts';
import { describeBundle, findAgent } from './bundle.ts';
import { programAgent, type ProgramExports } from './program.ts';
import { installDeterminism } from './determinism.ts';
import { Effects } from './effects.ts';
import { errorMessage, errorStack, explainFetch } from './describe.ts';
import { CorralError, errorClass } from './errors.ts';
import { isError } from './inspect.ts';
import { installRaces } from './reading.ts';
import { installRejections } from './rejections.ts';
import { installGlobals } from './globals.ts';
import { Reach } from './reach.ts';
import { Timers } from './timers.ts';

/**
 * @param part see HostFunctions
 * @param fault see HostFunctions
 * @param configText PreludeConfig as JSON, or SpareConfig if there is no run yet
 * @returns the one function through which the cell drives the isolate. DELIVER takes one delivery as JSON, whose consequences run
 * when the caller drains the microtasks, and returns what was thrown synchronously, if anything. COLLECT returns the effects
 * since the last time as a JSON array. DESCRIBE returns the manifests of the bundle's agents. REJECTED returns what is known
 * about an unhandled rejection. BEGIN says which run it is
 */
export function prelude(
  part: HostFunctions['part'],
  fault: HostFunctions['fault'],
  configText: string,
): (operation: number, text?: string) => string | undefined {
  const global = globalThis;
  const parse = JSON.parse;
  // Members may be absent, and an agent may define some of their names on Object.prototype.
  const config = bare(parse(configText) as PreludeConfig | SpareConfig);
  let run: RunConfig | undefined = Object.hasOwn(config, 'seed') ? (config as PreludeConfig) : undefined;
  /** Facts that differ between runs. A bundle that asks for it while it loads cannot be loaded before its run is known. */
  const given = (): RunConfig => {
    if (run === undefined) fault('load', 'The bundle asks for the time or for randomness while it is loaded in advance.');
    return run as RunConfig;
  };
  const host: HostFunctions = { part, fault };
  const effects = new Effects(config, host);
  const timers = new Timers(effects);
  const seed = () => given().seed;
  installDeterminism(global, seed, host);
  installClock(global, config.temporal, given);
  if (run !== undefined) beginClock(run.at);
  const asyncHooks = config.async_context === true ? installContext(global, host) : undefined;
  installRaces();
  const rejectedWith = installRejections();
  const { console, log } = makeConsole(effects, now);
  const reach = config.fetch === 'answered' ? new Reach(config.model_request_bytes ?? config.message_bytes) : undefined;
  if (config.fetch === 'absent') explainFetch();
  const web = installGlobals(global, { timers, host, seed, console, image: config.image, reach, ai_sdk: config.ai_sdk === true });

  const abi: Abi = Object.freeze({
    errorClass,
    effect(effect: Readonly<Record<string, unknown>>) {
      if (effect['id'] !== 'next') {
        effects.push(effect);
        return Promise.resolve();
      }
      return effects.request(effect).reply;
    },
    ...(asyncHooks === undefined ? {} : { asyncHooks }),
  });
  Object.defineProperty(global, 'corral', { value: abi, writable: false, enumerable: false, configurable: false });

  // The bundle is a script that assigns its exports to this global.
  const bundle = () => (global as unknown as { corralBundle?: { default?: AgentDefinition } }).corralBundle;
  const definition = () =>
    config.program === true ? programAgent(given().agent, bundle() as unknown as ProgramExports) : findAgent(bundle(), given().agent);
  let agent: Agent | undefined;
  return (operation, text) => {
    switch (operation) {
      case DELIVER:
        try {
          agent ??= new Agent(definition(), { effects, timers, log, web, reach });
          agent.deliver(parse(text as string) as Delivery);
        } catch (error) {
          return JSON.stringify(thrown(error));
        }
        return undefined;
      case REJECTED: {
        const { name, message } = parse(text as string) as { name: string; message: string };
        const answer: Rejected = bare({ follows_cancel: agent?.follows(name, message) === true, ...rejectedWith() });
        return JSON.stringify(answer);
      }
      case BEGIN:
        run = bare(parse(text as string) as RunConfig);
        beginClock(run.at);
        return undefined;
      case COLLECT:
        agent?.quiesce();
        return effects.collect();
      default:
        return manifests(() => describeBundle(bundle(), config));
    }
  };
}

function manifests(describe: () => object[]): string {
  try {
    return JSON.stringify(describe());
  } catch (error) {
    // Only the text of an error leaves an isolate.
    throw error instanceof CorralError ? new Error(`${error.code}: ${error.message}`) : error;
  }
}

/**
 * Describes a thrown value here, because isolated-vm would report neither a value that is not an error nor the causes of an
 * error.
 */
function thrown(error: unknown): Thrown {
  const stack = isError(error) ? errorStack(error) : undefined;
  return bare({ message: errorMessage(error), ...(stack === undefined ? {} : { stack }) });
}
