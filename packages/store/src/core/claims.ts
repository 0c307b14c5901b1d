/** Which node holds a run, and how a run goes from one to another: claimed, taken with others that are due, given up. */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { HeldElsewhere, RunRoom, Seen, StoredRun, Taken } from '@corral/protocol/ports/store';
import type { Engine, RunRows } from './engine.ts';
import type { Nodes } from './nodes.ts';

/** Not a timer of the agent: the time at which a parked run must be examined, such as the end of its wall time. */
const DEADLINE = 0;

/** Functions of the rest of the store that this needs. */
interface Core {
  /** @throws CorralError if it cannot be opened */
  readonly run: (run: RunId) => StoredRun | undefined;
  /** Drops what is cached of a run. */
  readonly forget: (run: RunId) => void;
}

export class Claims {
  readonly #engine: Engine;
  readonly #nodes: Nodes;
  readonly #core: Core;

  constructor(engine: Engine, nodes: Nodes, core: Core) {
    this.#engine = engine;
    this.#nodes = nodes;
    this.#core = core;
  }

  claim(run: RunId, node: number, now: number, steal?: 'fence'): StoredRun | HeldElsewhere | undefined {
    this.#mustNotBeDead(node);
    return this.#claim(run, node, now, steal);
  }

  #claim(run: RunId, node: number, now: number, steal?: 'fence'): StoredRun | HeldElsewhere | undefined {
    this.#core.forget(run);
    // Opened before anything is written: a run that cannot be opened is refused unchanged.
    const found = this.#core.run(run);
    if (found === undefined || found.status.lifecycle === 'ended') return found;
    const holder = this.#holder(run, node);
    const living = holder !== undefined && this.#nodes.isAlive(holder);
    const elsewhere = living ? this.#nodes.named(holder) : undefined;
    if (elsewhere !== undefined && steal !== 'fence') return elsewhere;
    // A node that died while it held the run may have died of it.
    const died = holder !== undefined && !living;
    const claimed = this.#engine.runs.claim(run, node, died);
    if (claimed === undefined) return found;
    const since = died ? this.#nodes.lastSeen(holder) : undefined;
    if (since !== undefined) this.#engine.runs.putAway(claimed.n, { from: since, until: now });
    this.#engine.timers.drop(claimed.n, DEADLINE);
    const { epoch, attempts } = claimed;
    const status = { ...found.status, lifecycle: 'active' as const };
    const taken = elsewhere === undefined ? {} : { taken_from: elsewhere };
    return { ...found, status, epoch, parked: false, still: false, attempts, ...taken, ...awayOf(this.#engine.runs, claimed.n) };
  }

  /** Another node that holds a run. */
  #holder(run: RunId, node: number): number | undefined {
    const standing = this.#engine.runs.standing(run);
    return standing === undefined || standing.parked || standing.owner === node ? undefined : standing.owner;
  }

  /** @param ledger sealed */
  park(run: RunId, seen: Seen, deadline: number | undefined, ledger: Uint8Array | null, still = false): boolean {
    const n = this.#engine.runs.park(run, seen, ledger, still);
    if (n === undefined) return false;
    this.#core.forget(run);
    if (deadline !== undefined) this.#engine.timers.put(n, DEADLINE, deadline);
    return true;
  }

  take(node: number, room: RunRoom, now: number): Taken {
    this.#mustNotBeDead(node);
    const runs: StoredRun[] = [];
    const unreadable: RunId[] = [];
    // It may be late itself, and is not dead as long as nobody else has noticed.
    const dead = this.#nodes.dead().filter((other) => other !== node);
    for (const id of this.#engine.runs.due(now, dead, room)) {
      try {
        const claimed = this.#claim(id, node, now);
        if (claimed !== undefined && !('holder' in claimed)) runs.push(claimed);
      } catch (error) {
        // It is refused before anything is written; the others are not kept from going on.
        if (!(error instanceof CorralError)) throw error;
        unreadable.push(id);
      }
    }
    return { runs, unreadable };
  }

  wakeable(now: number, limit: number, except: readonly string[] = []): readonly RunId[] {
    const room = { runs: limit, of: Object.fromEntries(except.map((tenant) => [tenant, 0])) };
    return this.#engine.runs.due(now, this.#nodes.dead(), room);
  }

  resident(after: RunId | undefined, limit: number): readonly RunId[] {
    return this.#engine.runs.held(this.#nodes.dead(), after, limit);
  }

  /** One that is late may go on, as long as nobody has noticed. @throws CORRAL_LEASE_LOST */
  #mustNotBeDead(node: number): void {
    if (!this.#nodes.isDead(node)) return;
    throw new CorralError('CORRAL_LEASE_LOST', `Node ${node} counts as dead: another of its name has joined, or its lease has run out.`);
  }
}

/** The part of a stored run that says when its nodes were dead. */
export function awayOf(runs: RunRows, n: number): Pick<StoredRun, 'away'> {
  const away = runs.away(n);
  return away.length === 0 ? {} : { away };
}
