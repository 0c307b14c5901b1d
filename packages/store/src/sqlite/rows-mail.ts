/** Traffic between runs, as rows: inboxes, requests, instances of services, timers. */
import type { RunId } from '@corral/protocol/ids';
import type { InboxRow, InboxRows, InstanceRow, RequestRows, TimerRows } from '../core/engine.ts';
import * as queries from './queries.ts';
import type { Sql } from './sql.ts';

export class Inbox implements InboxRows {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  items(n: number, after: number): InboxRow[] {
    return this.#sql.all('SELECT seq, sender, key, format, delivery, at FROM inbox WHERE run = ? AND seq > ? ORDER BY seq', n, after);
  }

  place(to: RunId, { sender, key, format, delivery }: Parameters<InboxRows['place']>[1], at: number): number {
    const row = this.#sql.get<{ n: number; inbox_seq: number }>(
      "UPDATE runs SET inbox_seq = inbox_seq + 1 WHERE id = ? AND lifecycle <> 'ended' RETURNING n, inbox_seq",
      to,
    );
    if (row === undefined) return 0;
    const sql = 'INSERT INTO inbox (run, seq, sender, key, format, delivery, at) VALUES (?, ?, ?, ?, ?, ?, ?)';
    this.#sql.run(sql, row.n, row.inbox_seq, sender, key, format, delivery, at);
    return row.inbox_seq;
  }

  keep(n: number, seq: number, { sender, key, format, delivery }: Parameters<InboxRows['keep']>[2]): void {
    const sql = 'INSERT OR IGNORE INTO inbox (run, seq, sender, key, format, delivery) VALUES (?, ?, ?, ?, ?, ?)';
    this.#sql.run(sql, n, seq, sender, key, format, delivery);
  }

  take(n: number, seq: number): void {
    this.#sql.run('DELETE FROM inbox WHERE run = ? AND seq = ?', n, seq);
  }

  span(run: RunId): { last: number; first: number | null } | undefined {
    const sql = 'SELECT inbox_seq AS last, (SELECT min(seq) FROM inbox WHERE run = n AND seq > 0) AS first FROM runs WHERE id = ?';
    return this.#sql.get(sql, run);
  }

  count(run: RunId): number {
    const sql = 'SELECT count(*) AS there FROM inbox JOIN runs ON runs.n = inbox.run WHERE id = ? AND seq > 0';
    return this.#sql.get<{ there: number }>(sql, run)?.there ?? 0;
  }

  clear(n: number): void {
    this.#sql.run('DELETE FROM inbox WHERE run = ?', n);
  }

  mail(node: number): { run: RunId; last: number }[] {
    return queries.mail(this.#sql, node);
  }
}

export class Timers implements TimerRows {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  put(n: number, id: number, due: number): void {
    // INSERT OR REPLACE: after an approval a call may have a later deadline than before.
    this.#sql.run('INSERT OR REPLACE INTO timers (run, id, due) VALUES (?, ?, ?)', n, id, due);
  }

  drop(n: number, id: number): void {
    this.#sql.run('DELETE FROM timers WHERE run = ? AND id = ?', n, id);
  }

  clear(n: number): void {
    this.#sql.run('DELETE FROM timers WHERE run = ?', n);
  }

  next(): number | undefined {
    return queries.nextDue(this.#sql);
  }
}

export class Requests implements RequestRows {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  open(requester: RunId, id: number, receiver: RunId, item: number): void {
    const sql = 'INSERT INTO requests (requester, id, receiver, item) SELECT ?, ?, n, ? FROM runs WHERE id = ?';
    this.#sql.run(sql, requester, id, item, receiver);
  }

  answer(requester: RunId, id: number, receiver: RunId): boolean {
    const sql = 'DELETE FROM requests WHERE requester = ? AND id = ? AND receiver = (SELECT n FROM runs WHERE id = ?)';
    return this.#sql.run(sql, requester, id, receiver) > 0;
  }

  close(run: RunId, n: number): { requester: RunId; id: number; begun: boolean }[] {
    const rows = this.#sql.all<{ requester: RunId; id: number; waiting: number | null }>(
      `SELECT requester, id, inbox.seq AS waiting FROM requests LEFT JOIN inbox ON inbox.run = receiver AND inbox.seq = item
       WHERE receiver = ? ORDER BY item`,
      n,
    );
    this.#sql.run('DELETE FROM requests WHERE receiver = ? OR requester = ?', n, run);
    this.#sql.run('UPDATE instances SET live = 0 WHERE run = ?', run);
    return rows.flatMap(({ requester, id, waiting }) => (requester === run ? [] : [{ requester, id, begun: waiting === null }]));
  }

  instance(id: string): InstanceRow | undefined {
    const row = this.#sql.get<{ run: RunId; lifecycle: string; outcome_kind: string | null; erased_at: number | null }>(
      'SELECT run, lifecycle, outcome_kind, erased_at FROM instances JOIN runs ON runs.id = run WHERE instances.id = ?',
      id,
    );
    if (row === undefined) return undefined;
    const { run, lifecycle, outcome_kind, erased_at } = row;
    return { run, ended: lifecycle === 'ended', killed: outcome_kind === 'killed', erased: erased_at !== null };
  }

  putInstance(id: string, of: string, run: RunId): void {
    this.#sql.run(
      `INSERT INTO instances (id, service, run, live) VALUES (?, ?, ?, 1)
       ON CONFLICT (id) DO UPDATE SET service = excluded.service, run = excluded.run, live = 1`,
      id,
      of,
      run,
    );
  }

  alive(of: string): number {
    return this.#sql.get<{ there: number }>('SELECT count(*) AS there FROM instances WHERE service = ? AND live = 1', of)?.there ?? 0;
  }
}
