/**
 * The causal graph of messages between runs, fed by the supervisor: which message was sent while handling which. Finds conversations that
 * repeat (A→B→A→B, A→B→C→A) and storms, where each message causes several. Its memory is bounded: the latest messages, and the last hops
 * of each chain.
 */
import { Cycle } from './cycle.ts';
import { acrossRuns } from './detector.ts';
import type { FindingOf } from './events.ts';
import { hashText, mix } from './reading.ts';

/** Number of remembered messages. */
const MESSAGES_MAX = 4096;
/** Number of remembered hops of a chain. */
const HOPS_MAX = 64;
/**
 * `rounds`: after this many rounds a conversation very probably repeats itself. `storm`: this many messages from one origin are very
 * probably a storm.
 */
export interface CauseBounds {
  readonly rounds: number;
  readonly storm: number;
}
export const CAUSE_BOUNDS: CauseBounds = { rounds: 12, storm: 64 };

interface Chain {
  readonly cycle: Cycle;
  depth: number;
  reported: number;
  /** The latest receivers, hop by hop. */
  hops: string[];
}
interface Message {
  readonly chain: Chain;
  readonly origin: Origin;
  readonly generation: number;
  answers: number;
}
/** A message without a cause, with everything that followed from it. */
interface Origin {
  readonly name: string;
  messages: number;
  reported: number;
}

type Found = FindingOf<'ping_pong' | 'cascade'>;

const spares = 'pipelines, a coordinator with workers, rounds in which something is changed';
export const pingPong = acrossRuns({
  name: 'ping_pong',
  sees: 'messages that cause each other in a round of any number of agents',
  spares,
  ladder: { notice: 0.4, slow: 0.6, pause: 0.7, kill: 0.85 },
});
export const cascade = acrossRuns({
  name: 'cascade',
  sees: 'messages that cause ever more messages',
  spares,
  ladder: { notice: 0.4, slow: 0.5, pause: 0.6, kill: 0.8 },
});

export class Causes {
  readonly #messages = new Map<string, Message>();
  readonly #bounds: CauseBounds;

  constructor(bounds: CauseBounds = CAUSE_BOUNDS) {
    this.#bounds = bounds;
  }

  /**
   * Records a message `id`, sent while handling `cause`. A message without a known cause begins a new origin. `progress`: between the two
   * the sender did something that changed the world, such as a call with an effect.
   */
  sent(id: string, from: string, to: string, cause?: string, progress = false): Found[] {
    const before = cause === undefined ? undefined : this.#messages.get(cause);
    let chain: Chain;
    if (before === undefined) chain = { cycle: new Cycle(), depth: 0, reported: 0, hops: [] };
    // The first answer continues the chain; further answers begin their own.
    else if (before.answers++ === 0) chain = before.chain;
    else chain = { cycle: new Cycle(), depth: before.chain.depth, reported: 0, hops: [] };
    const origin = before?.origin ?? { name: id, messages: 0, reported: 0 };
    const generation = before === undefined ? 0 : before.generation + 1;
    origin.messages++;
    this.#messages.set(id, { chain, origin, generation, answers: 0 });
    if (this.#messages.size > MESSAGES_MAX) this.#messages.delete(this.#messages.keys().next().value as string);
    chain.depth++;
    chain.hops.push(to);
    if (chain.hops.length > HOPS_MAX) chain.hops.shift();
    // Progress is a symbol that occurs once, so it breaks the round.
    chain.cycle.take(progress ? mix(hashText(id), 1) : mix(hashText(from), hashText(to)));
    const found: Found[] = [];
    const period = chain.cycle.period;
    if (period !== undefined && period.period > 1) {
      const rounds = period.matched / period.period;
      const confidence = rounds / (rounds + this.#bounds.rounds / 3);
      if (rounds >= 2 && confidence >= chain.reported + 0.1) {
        chain.reported = confidence;
        const who = chain.hops.slice(-period.period);
        found.push({
          detector: 'ping_pong',
          confidence,
          evidence: {
            text: `${who.join(' → ')} and round again, ${Math.round(rounds) + 1} times, each message caused by the one before.`,
            events: [],
            subjects: who,
            figures: { period: period.period, rounds: rounds + 1, depth: chain.depth },
          },
        });
      }
    }
    const growth = origin.messages / (generation + 1);
    if (growth >= 2 && origin.messages >= this.#bounds.storm / 4) {
      const confidence = Math.min(0.95, (growth / (growth + 4)) * 0.5 + (origin.messages / (origin.messages + this.#bounds.storm)) * 0.5);
      if (confidence >= origin.reported + 0.1) {
        origin.reported = confidence;
        found.push({
          detector: 'cascade',
          confidence,
          evidence: {
            text: `One message led to ${origin.messages} in ${generation + 1} generations.`,
            events: [],
            subjects: [from, to],
            figures: { messages: origin.messages, generations: generation + 1, growth },
          },
        });
      }
    }
    return found;
  }

  get size(): number {
    return this.#messages.size;
  }
}
