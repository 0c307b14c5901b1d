/** The request that each idempotency key was first used for. */
import type { SubmissionTable } from '@corral/protocol/ports/front';
import type { FrontDatabase } from './database.ts';

export class SubmissionRows implements SubmissionTable {
  readonly #db: FrontDatabase;

  constructor(db: FrontDatabase) {
    this.#db = db;
  }

  bodyOf(run: string): string | undefined {
    return this.#db.get<{ body: string }>('SELECT body FROM submissions WHERE run = ?', run)?.body;
  }

  add(run: string, body: string, at: number): void {
    this.#db.run('INSERT INTO submissions (run, body, at) VALUES (?, ?, ?)', run, body, at);
  }

  remove(run: string): void {
    this.#db.run('DELETE FROM submissions WHERE run = ?', run);
  }
}
