/** Child runs as their parent sees them: a mailbox, and a promise of the end. */
import type { ChildEndedDelivery } from '@corral/protocol/wire/delivery';
import type { AgentDefinition, Child, ChildEnd, ProgramOutput, Spawn } from '../sdk/types.ts';
import { AGENT } from '../sdk/types.ts';
import { bare } from './bare.ts';
import { makeMailbox, slots } from './capabilities.ts';
import type { Effects } from './effects.ts';
import { raise } from './errors.ts';
import type { Handles } from './handles.ts';
import { agentNameOf, budgetOf, codeOptions, sourceOf, spawnOptions } from './options.ts';
import { accepted, narrowSchema } from './program-output.ts';

/** The waiters for the end of one child; they share one promise. */
interface Waiting {
  readonly promise: Promise<ChildEnd>;
  readonly resolve: (end: ChildEnd) => void;
  readonly reject: (reason: unknown) => void;
}

export class Children {
  readonly #agent: string;
  readonly #effects: Effects;
  readonly #handles: Handles;
  /** Children that have not ended; `undefined` if nobody waits since a cancel. */
  readonly #alive = new Map<number, Waiting | undefined>();
  /** The outputs that are accepted from programs that have not ended. */
  readonly #outputs = new Map<number, ProgramOutput>();

  /** @param agent the name of the agent that starts them */
  constructor(agent: string, effects: Effects, handles: Handles) {
    this.#agent = agent;
    this.#effects = effects;
    this.#handles = handles;
  }

  /** Number of children that have not ended. */
  get waiting(): number {
    return this.#alive.size;
  }

  /** The function that the agent's context has. */
  spawner(): Spawn {
    const spawn = (definition: unknown, input: unknown, options: unknown) => this.#spawn(definition, input, options);
    const code = (source: unknown, options: unknown) => this.#code(source, options);
    Object.defineProperty(spawn, 'code', bare({ value: code, enumerable: true }));
    // The output of a child was checked by its own schema, and that of a program is checked below.
    return Object.freeze(spawn) as unknown as Spawn;
  }

  #spawn(definition: unknown, input: unknown, options: unknown): Child {
    const name: unknown = (definition as Partial<AgentDefinition> | null | undefined)?.[AGENT]?.name;
    if (name === undefined) throw raise('CORRAL_ARGS_INVALID', 'spawn() takes an agent made by defineAgent.');
    const { caps, budget } = spawnOptions(options);
    return this.#begin({ agent: agentNameOf(name), input: input ?? null, caps: slots(caps ?? {}, 'spawn'), budget: budgetOf(budget) });
  }

  #code(source: unknown, options: unknown): Child {
    const { caps, budget, input, output } = codeOptions(options);
    const program = bare({ source: sourceOf(source), output: narrowSchema(output) });
    const child = this.#begin({
      agent: this.#agent,
      input: input ?? null,
      caps: slots(caps ?? {}, 'spawn'),
      budget: budgetOf(budget),
      program,
    });
    if (output !== undefined) this.#outputs.set(child.id, output);
    return child;
  }

  #begin(effect: Readonly<Record<string, unknown>>): Child {
    const id = this.#effects.pushNumbered({ kind: 'spawn', ...effect });
    let waiting = wait();
    this.#alive.set(id, waiting);
    const ended = () => {
      if (this.#alive.has(id) && this.#alive.get(id) === undefined) {
        waiting = wait();
        this.#alive.set(id, waiting);
      }
      return waiting.promise;
    };
    const mailbox = makeMailbox(this.#effects, -id);
    const { send } = mailbox;
    return Object.freeze({
      id,
      get ended() {
        return ended();
      },
      mailbox,
      send,
    });
  }

  ended(delivery: ChildEndedDelivery): void {
    this.#handles.place(delivery, delivery.handles);
    const { id, outcome, run, spent } = delivery;
    const waiting = this.#alive.get(id);
    this.#alive.delete(id);
    const output = this.#outputs.get(id);
    this.#outputs.delete(id);
    if (output === undefined || outcome.kind !== 'completed') waiting?.resolve({ ...outcome, run, spent });
    else void accepted(output, outcome.output).then((checked) => waiting?.resolve({ ...checked, run, spent }));
  }

  /** Rejects all who wait. Asking for `ended` again waits again. */
  stop(reason: unknown): void {
    for (const [id, waiting] of this.#alive) {
      waiting?.reject(reason);
      this.#alive.set(id, undefined);
    }
  }
}

function wait(): Waiting {
  let settle: Pick<Waiting, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<ChildEnd>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...(settle as unknown as Pick<Waiting, 'resolve' | 'reject'>) };
}
