/**
 * Requests between runs, and the instances of services. Each request has one row until it is answered, so it gets exactly one
 * reply; and when a run ends, those that wait for it are answered in the same transaction.
 */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Serving } from '@corral/protocol/ports/store';
import type { Sql } from './sql.ts';

/** A request without an answer. */
export interface Open {
  readonly requester: RunId;
  readonly id: number;
  /** Its receiver had already taken it out of its inbox. */
  readonly begun: boolean;
}

export class Requests {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Records that a request is in the inbox of its receiver. @param item its number there */
  open(requester: RunId, id: number, receiver: RunId, item: number): void {
    this.#sql.run(
      'INSERT INTO requests (requester, id, receiver, item) SELECT ?, ?, n, ? FROM runs WHERE id = ?',
      requester,
      id,
      item,
      receiver,
    );
  }

  /** Whether this run has an unanswered request of that id; it counts as answered from now on. */
  answer(requester: RunId, id: number, receiver: RunId): boolean {
    const changed = this.#sql.run(
      'DELETE FROM requests WHERE requester = ? AND id = ? AND receiver = (SELECT n FROM runs WHERE id = ?)',
      requester,
      id,
      receiver,
    );
    return changed > 0;
  }

  /** A run ends: returns the requests it has not answered, which are deleted. Its own requests are deleted too. */
  close(run: RunId, n: number): Open[] {
    const rows = this.#sql.all<{ requester: RunId; id: number; waiting: number | null }>(
      `SELECT requester, id, inbox.seq AS waiting FROM requests LEFT JOIN inbox ON inbox.run = receiver AND inbox.seq = item
       WHERE receiver = ? ORDER BY item`,
      n,
    );
    this.#sql.run('DELETE FROM requests WHERE receiver = ? OR requester = ?', n, run);
    this.#sql.run('UPDATE instances SET live = 0 WHERE run = ?', run);
    return rows.flatMap(({ requester, id, waiting }) => (requester === run ? [] : [{ requester, id, begun: waiting === null }]));
  }

  /** The run of an instance, or the last one it had. */
  instance(id: string): RunId | undefined {
    return this.#sql.get<{ run: RunId }>('SELECT run FROM instances WHERE id = ?', id)?.run;
  }

  /** @param of name of its service */
  putInstance(id: string, of: string, run: RunId): void {
    this.#sql.run(
      `INSERT INTO instances (id, service, run, live) VALUES (?, ?, ?, 1)
       ON CONFLICT (id) DO UPDATE SET service = excluded.service, run = excluded.run, live = 1`,
      id,
      of,
      run,
    );
  }

  /** Number of live instances of a service. */
  alive(of: string): number {
    return this.#sql.get<{ there: number }>('SELECT count(*) AS there FROM instances WHERE service = ? AND live = 1', of)?.there ?? 0;
  }

  services(): Serving[] {
    return this.#sql
      .all<Omit<Serving, 'owner'> & { owner: string | null }>('SELECT tenant, name, version, owner FROM services')
      .map(({ owner, ...serving }) => ({ ...serving, ...(owner === null ? {} : { owner }) }));
  }

  /** @throws CORRAL_SERVICE_TAKEN */
  serve({ tenant, name, version, owner }: Serving): void {
    const changed = this.#sql.run(
      `INSERT INTO services (tenant, name, version, owner) VALUES (?, ?, ?, ?)
       ON CONFLICT (tenant, name) DO UPDATE SET version = excluded.version, owner = excluded.owner
       WHERE owner IS NULL OR owner = excluded.owner`,
      tenant,
      name,
      version,
      owner ?? null,
    );
    if (changed === 0)
      throw new CorralError('CORRAL_SERVICE_TAKEN', `The service ${name} of ${tenant} belongs to another bundle than that of ${owner}.`);
  }
}
