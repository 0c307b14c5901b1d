/**
 * Memory for requests and answers under way, by tenant: bodies that are being received or worked on, and what clients have not taken yet of
 * their answers and of the events that they follow. A tenant that has too much of it is refused new requests, and its slowest follower is
 * disconnected, which goes on later after the last event that it got.
 */
import type { ServerResponse } from 'node:http';
import { DOOR } from '@corral/protocol/limits';
import { TooSoon } from '../people/rate.ts';

/** An answer that its client takes nothing of for this long is given up. Milliseconds. */
export const STALLED_MS = 30_000;
const RETRY_S = 2;
const MIB = 1024 * 1024;

type Answer = Pick<ServerResponse, 'writableLength' | 'destroy' | 'once' | 'closed'>;

interface Passing {
  readonly body: number;
  follows: boolean;
}

export class Traffic {
  readonly #most: { readonly tenant: number; readonly all: number };
  readonly #tenants = new Map<string, Map<Answer, Passing>>();

  constructor(most = { tenant: DOOR.traffic_bytes_per_tenant.default, all: DOOR.traffic_bytes.default }) {
    this.#most = most;
  }

  /** Bytes of a tenant: bodies, and what was not taken of answers. */
  of(tenant: string): number {
    let bytes = 0;
    for (const [answer, { body }] of this.#tenants.get(tenant) ?? []) bytes += body + answer.writableLength;
    return bytes;
  }

  /**
   * Lets a request in, whose body counts until its answer was taken. A tenant without any traffic is let in with a body of any size that
   * its route takes, so that a full host still serves everybody in turn.
   * @param body its length; where the client does not say, the longest that its route takes
   * @throws CORRAL_RATE_LIMITED
   */
  enter(tenant: string, body: number, answer: Answer): void {
    // The client left while the host found out who it is. Nothing would say again that the answer is over.
    if (answer.closed) return;
    const own = this.of(tenant);
    if (own > 0 && own + body > this.#most.tenant) refuse(`${mib(own)} MiB of requests and answers of ${tenant} are`, this.#most.tenant);
    if (own > 0) {
      let all = 0;
      for (const one of this.#tenants.keys()) all += this.of(one);
      if (all + body > this.#most.all) refuse(`${mib(all)} MiB of requests and answers are`, this.#most.all);
    }
    const answers = this.#tenants.get(tenant) ?? new Map<Answer, Passing>();
    this.#tenants.set(tenant, answers);
    answers.set(answer, { body, follows: false });
    answer.once('close', () => {
      answers.delete(answer);
      if (answers.size === 0 && this.#tenants.get(tenant) === answers) this.#tenants.delete(tenant);
    });
  }

  /** The answer is a stream of events: its client can come back for what it did not take. */
  follows(tenant: string, answer: Answer): void {
    const passing = this.#tenants.get(tenant)?.get(answer);
    if (passing !== undefined) passing.follows = true;
  }

  /** Called when a follower takes less than there is. Disconnects the slowest ones of the tenant while it has more than half of its share. */
  relieve(tenant: string): void {
    const slow = [...(this.#tenants.get(tenant) ?? [])].filter(([, { follows }]) => follows).map(([answer]) => answer);
    slow.sort((a, b) => b.writableLength - a.writableLength);
    for (let bytes = this.of(tenant); bytes > this.#most.tenant / 2;) {
      const slowest = slow.shift();
      if (slowest === undefined || slowest.writableLength === 0) return;
      bytes -= slowest.writableLength;
      slowest.destroy();
    }
  }
}

const mib = (bytes: number) => Math.ceil(bytes / MIB);

function refuse(what: string, most: number): never {
  throw new TooSoon('CORRAL_RATE_LIMITED', `${what} under way, and at most ${mib(most)} MiB may be.`, RETRY_S);
}
