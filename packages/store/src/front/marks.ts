/** People's marks on what detectors found: one verdict for each run and detector. Thresholds are proposed from these. */
import type { MarkRow, MarkTable } from '@corral/protocol/ports/front';
import type { FrontDatabase, Value } from './database.ts';

type Row = Omit<MarkRow, 'subjects' | 'figures'> & { readonly subjects: string; readonly figures: string };

const SHOWN = 1000;

export class Marks implements MarkTable {
  readonly #db: FrontDatabase;

  constructor(db: FrontDatabase) {
    this.#db = db;
    db.run(`CREATE TABLE IF NOT EXISTS marks (
      n INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, tenant TEXT NOT NULL, agent TEXT NOT NULL, detector TEXT NOT NULL,
      verdict TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL, step TEXT, confidence REAL NOT NULL,
      text TEXT NOT NULL, subjects TEXT NOT NULL, figures TEXT NOT NULL, UNIQUE (run, detector)) STRICT`);
  }

  keep(marks: readonly MarkRow[]): void {
    this.#db.durably(() => {
      for (const { run, tenant, agent, detector, verdict, by, reason, at, step, confidence, text, subjects, figures } of marks)
        this.#db.run(
          `INSERT OR REPLACE INTO marks (run, tenant, agent, detector, verdict, by, reason, at, step, confidence, text, subjects, figures)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          run,
          tenant,
          agent,
          detector,
          verdict,
          by,
          reason,
          at,
          step,
          confidence,
          text,
          JSON.stringify(subjects),
          JSON.stringify(figures),
        );
    });
  }

  of(run: string): MarkRow[] {
    return this.#rows('run = ?', run);
  }

  list(tenant: string | undefined, agent?: string): MarkRow[] {
    return this.#rows('(?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR agent = ?2)', tenant ?? null, agent ?? null);
  }

  #rows(where: string, ...values: Value[]): MarkRow[] {
    return this.#db
      .all<Row>(`SELECT * FROM marks WHERE ${where} ORDER BY n DESC LIMIT ${SHOWN}`, ...values)
      .map(({ subjects, figures, ...row }) => ({
        ...row,
        subjects: JSON.parse(subjects) as string[],
        figures: JSON.parse(figures) as Record<string, number>,
      }));
  }
}
