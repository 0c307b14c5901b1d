/** The requests that other runs have made of a run. */
import type { PrincipalId } from '@corral/protocol/ids';
import type { MessageDelivery } from '@corral/protocol/wire/delivery';

/** The name of a request for the run that was asked; it is unique. */
export const requestName = ({ from, request }: Pick<MessageDelivery, 'from' | 'request'>): string => `${from.run}:${request}`;

/** The requests that a run has not answered. */
export class Asked {
  #open: Set<string>;
  /** The set belongs to the original of this draft and must be copied before a change. */
  #lent: boolean;
  /** For an instance of a service: it was given a message, and its turn has not ended with a checkpoint. */
  turn = false;
  /** The principal of the message that is being handled. */
  principal: PrincipalId | undefined;

  /** @param of the original, if this is a draft */
  constructor(of?: Asked) {
    this.#open = of === undefined ? new Set() : of.#open;
    this.#lent = of !== undefined;
    if (of !== undefined) [this.turn, this.principal] = [of.turn, of.principal];
  }

  /** A draft for a crank that is being decided; it replaces this one when adopted. */
  draft(): Asked {
    return new Asked(this);
  }

  take(delivery: Pick<MessageDelivery, 'from' | 'request'>): void {
    this.turn = true;
    this.principal = delivery.from.principal;
    if (delivery.request !== undefined) this.#own().add(requestName(delivery));
  }

  has(name: string): boolean {
    return this.#open.has(name);
  }

  answered(name: string): void {
    this.#own().delete(name);
  }

  save(): readonly string[] {
    return [...this.#open];
  }

  load(open: readonly string[], turn: boolean): void {
    this.#open = new Set(open);
    this.#lent = false;
    this.turn = turn;
  }

  #own(): Set<string> {
    if (this.#lent) this.#open = new Set(this.#open);
    this.#lent = false;
    return this.#open;
  }
}
