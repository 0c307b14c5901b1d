/** Which node holds a run, and how a run goes from one to another: claimed, taken with others that are due, given up. */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { HeldElsewhere, RunRoom, StoredRun, Taken } from '@corral/protocol/ports/store';
import type { Nodes } from './nodes.ts';
import * as queries from './queries.ts';
import type { Sql } from './sql.ts';

/** Not a timer of the agent: the time at which a parked run must be examined, such as the end of its wall time. */
const DEADLINE = 0;

/** Functions of the rest of the store that this needs. */
interface Core {
  /** @throws CorralError if it cannot be opened */
  readonly run: (run: RunId) => StoredRun | undefined;
  /** Drops what is cached of a run. */
  readonly forget: (run: RunId) => void;
  readonly sealLedger: (run: RunId, ledger: string) => Uint8Array | null;
}

export class Claims {
  readonly #sql: Sql;
  readonly #nodes: Nodes;
  readonly #core: Core;

  constructor(sql: Sql, nodes: Nodes, core: Core) {
    this.#sql = sql;
    this.#nodes = nodes;
    this.#core = core;
  }

  claim(run: RunId, node: number, steal?: 'fence'): StoredRun | HeldElsewhere | undefined {
    this.#mustNotBeDead(node);
    return this.#claim(run, node, steal);
  }

  #claim(run: RunId, node: number, steal?: 'fence'): StoredRun | HeldElsewhere | undefined {
    this.#core.forget(run);
    // Opened before anything is written: a run that cannot be opened is refused unchanged.
    const found = this.#core.run(run);
    const held = this.#sql.get<{ owner: number }>(
      "SELECT claimed_era AS owner FROM runs WHERE id = ? AND parked = 0 AND lifecycle <> 'ended' AND claimed_era <> ?",
      run,
      node,
    );
    const living = held !== undefined && this.#nodes.isAlive(held.owner);
    const holder = living ? this.#nodes.holder(held.owner) : undefined;
    if (holder !== undefined && steal !== 'fence') return holder;
    // A node that died while it held the run may have died of it.
    const died = Number(held !== undefined && !living);
    const row = this.#sql.get<{ n: number; epoch: number; attempts: number }>(
      `UPDATE runs SET epoch = epoch + 1, lifecycle = 'active', parked = 0, still = 0, claimed_era = ?,
         attempts = CASE WHEN parked = 1 THEN 0 ELSE attempts + ? END
       WHERE id = ? AND lifecycle <> 'ended' RETURNING n, epoch, attempts`,
      node,
      died,
      run,
    );
    if (found === undefined || row === undefined) return found;
    this.#sql.run('DELETE FROM timers WHERE run = ? AND id = ?', row.n, DEADLINE);
    // The saved ledger is out of date once the journal goes on.
    if (found.ledger !== undefined) this.#sql.run('UPDATE runs SET ledger = NULL WHERE n = ?', row.n);
    return {
      ...found,
      status: { ...found.status, lifecycle: 'active' },
      epoch: row.epoch,
      parked: false,
      still: false,
      attempts: row.attempts,
      ...(holder === undefined ? {} : { taken_from: holder }),
    };
  }

  park(run: RunId, epoch: number, inbox: number, deadline: number | undefined, ledger?: string, still = false): boolean {
    const row = this.#sql.get<{ n: number }>(
      "UPDATE runs SET parked = 1, ledger = ?, still = ? WHERE id = ? AND epoch = ? AND inbox_seq = ? AND parked = 0 AND lifecycle <> 'ended' RETURNING n",
      ledger === undefined ? null : this.#core.sealLedger(run, ledger),
      Number(still),
      run,
      epoch,
      inbox,
    );
    if (row === undefined) return false;
    this.#core.forget(run);
    if (deadline !== undefined) this.#sql.run('INSERT OR REPLACE INTO timers (run, id, due) VALUES (?, ?, ?)', row.n, DEADLINE, deadline);
    return true;
  }

  take(node: number, room: RunRoom, now: number): Taken {
    this.#mustNotBeDead(node);
    const runs: StoredRun[] = [];
    const unreadable: RunId[] = [];
    // It may be late itself, and is not dead as long as nobody else has noticed.
    const dead = this.#nodes.dead().filter((other) => other !== node);
    for (const id of queries.due(this.#sql, now, dead, room)) {
      try {
        const claimed = this.#claim(id, node);
        if (claimed !== undefined && !('holder' in claimed)) runs.push(claimed);
      } catch (error) {
        // It is refused before anything is written; the others are not kept from going on.
        if (!(error instanceof CorralError)) throw error;
        unreadable.push(id);
      }
    }
    return { runs, unreadable };
  }

  wakeable(now: number, limit: number, except: readonly string[] = []): RunId[] {
    const room = { runs: limit, of: Object.fromEntries(except.map((tenant) => [tenant, 0])) };
    return queries.due(this.#sql, now, this.#nodes.dead(), room);
  }

  resident(after: RunId | undefined, limit: number): RunId[] {
    return queries.held(this.#sql, this.#nodes.dead(), after, limit);
  }

  /** One that is late may go on, as long as nobody has noticed. @throws CORRAL_LEASE_LOST */
  #mustNotBeDead(node: number): void {
    if (!this.#nodes.isDead(node)) return;
    throw new CorralError('CORRAL_LEASE_LOST', `Node ${node} counts as dead: another of its name has joined, or its lease has run out.`);
  }
}
