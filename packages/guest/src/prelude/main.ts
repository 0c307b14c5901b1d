/**
 * The prelude: what every isolate is born with. Evaluated once, before any code of an agent, with the host's two
 * functions and the run's configuration; answers with the one function through which the cell drives the isolate.
 */
import type { Delivery } from '@corral/protocol/delivery';
import { COLLECT, DELIVER, type Abi, type HostFunctions, type PreludeConfig } from '../abi.ts';
import type { AgentDefinition } from '../sdk/types.ts';
import { Agent } from './agent.ts';
import { installClock, setTime } from './clock.ts';
import { describeBundle, findAgent } from './bundle.ts';
import { installDeterminism } from './determinism.ts';
import { Effects } from './effects.ts';
import { CorralError, errorClass } from './errors.ts';
import { installGlobals } from './globals.ts';
import { Timers } from './timers.ts';

/**
 * @param part see HostFunctions
 * @param fault see HostFunctions
 * @param configText PreludeConfig as JSON
 * @returns the one function by which the cell drives the isolate: DELIVER takes one delivery as JSON, whose consequences
 * run when the caller drains the microtasks; COLLECT answers with the effects since the last time as a JSON array;
 * DESCRIBE with the manifests of the bundle's agents
 */
export function prelude(
  part: HostFunctions['part'],
  fault: HostFunctions['fault'],
  configText: string,
): (operation: number, text?: string) => string | undefined {
  const global = globalThis;
  const parse = JSON.parse;
  const config = parse(configText) as PreludeConfig;
  const host: HostFunctions = { part, fault };
  const effects = new Effects(config, host);
  const timers = new Timers(effects);
  setTime(config.at);
  installDeterminism(global, config.seed, host);
  installClock(global, config.temporal);
  installGlobals(global, effects, timers, host, config.seed);

  const abi: Abi = Object.freeze({
    errorClass,
    effect(effect: Readonly<Record<string, unknown>>) {
      if (effect['id'] !== 'next') {
        effects.push(effect);
        return Promise.resolve();
      }
      return effects.request(effect).reply;
    },
  });
  Object.defineProperty(global, 'corral', { value: abi, writable: false, enumerable: false, configurable: false });

  // The bundle is a script that leaves its exports here.
  const bundle = () => (global as unknown as { corralBundle?: { default?: AgentDefinition } }).corralBundle;
  let agent: Agent | undefined;
  return (operation, text) => {
    switch (operation) {
      case DELIVER:
        agent ??= new Agent(findAgent(bundle(), config.agent), effects, timers);
        agent.deliver(parse(text as string) as Delivery);
        return undefined;
      case COLLECT:
        agent?.quiesce();
        return effects.collect();
      default:
        try {
          return JSON.stringify(describeBundle(bundle()));
        } catch (error) {
          // Only the text of an error leaves an isolate.
          throw error instanceof CorralError ? new Error(`${error.code}: ${error.message}`) : error;
        }
    }
  };
}
