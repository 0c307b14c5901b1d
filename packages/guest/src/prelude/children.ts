/** Child runs as their parent sees them: a mailbox, and a promise of the end. */
import type { ChildEndedDelivery } from '@corral/protocol/wire/delivery';
import type { AgentDefinition, Child, ChildEnd } from '../sdk/types.ts';
import { AGENT } from '../sdk/types.ts';
import { makeMailbox, slots } from './capabilities.ts';
import type { Effects } from './effects.ts';
import { raise } from './errors.ts';
import type { Handles } from './handles.ts';
import { agentNameOf, budgetOf, spawnOptions } from './options.ts';

/** The waiters for the end of one child; they share one promise. */
interface Waiting {
  readonly promise: Promise<ChildEnd>;
  readonly resolve: (end: ChildEnd) => void;
  readonly reject: (reason: unknown) => void;
}

export class Children {
  readonly #effects: Effects;
  readonly #handles: Handles;
  /** Children that have not ended; `undefined` if nobody waits since a cancel. */
  readonly #alive = new Map<number, Waiting | undefined>();

  constructor(effects: Effects, handles: Handles) {
    this.#effects = effects;
    this.#handles = handles;
  }

  /** Number of children that have not ended. */
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
