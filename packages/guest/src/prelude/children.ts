/** Child runs as their parent holds them: a mailbox, and how each ends. */
import type { ChildEndedDelivery } from '@corral/protocol/delivery';
import type { AgentDefinition, Child, ChildEnd } from '../sdk/types.ts';
import { AGENT } from '../sdk/types.ts';
import { makeMailbox, slots } from './capabilities.ts';
import type { Effects } from './effects.ts';
import { raise } from './errors.ts';
import type { Handles } from './handles.ts';
import { agentNameOf, budgetOf, spawnOptions } from './options.ts';

/** Those who wait for the end of one child: all of them have one promise. */
interface Waiting {
  readonly promise: Promise<ChildEnd>;
  readonly resolve: (end: ChildEnd) => void;
  readonly reject: (reason: unknown) => void;
}

export class Children {
  readonly #effects: Effects;
  readonly #handles: Handles;
  /** Children that have not ended; `undefined` where nobody waits after a cancel. */
  readonly #alive = new Map<number, Waiting | undefined>();

  constructor(effects: Effects, handles: Handles) {
    this.#effects = effects;
    this.#handles = handles;
  }

  /** How many have not ended. */
  get waiting(): number {
    return this.#alive.size;
  }

  spawn(definition: unknown, input: unknown, options: unknown): Child {
    const name: unknown = (definition as Partial<AgentDefinition> | null | undefined)?.[AGENT]?.name;
    if (name === undefined) throw raise('CORRAL_ARGS_INVALID', 'spawn() takes an agent made by defineAgent.');
    const { caps, budget } = spawnOptions(options);
    const id = this.#effects.pushNumbered({
      kind: 'spawn',
      agent: agentNameOf(name),
      input: input ?? null,
      caps: slots(caps ?? {}, 'spawn'),
      budget: budgetOf(budget),
    });
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
    waiting?.resolve({ ...outcome, run, spent });
  }

  /** Those who wait are told why not to. Whoever asks again waits again. */
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
