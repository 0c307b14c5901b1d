/** The index of who holds which tool says what the grants say, whatever was derived, revoked and ended, and in whichever order. */
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { commit, DONE, grant, grantId, record, runId } from '../fixtures/commits.ts';
import { MasterKeys } from '../core/keys.ts';
import { SqliteCore } from './core.ts';
import { migrate, STEPS } from './schema.ts';

const KEYS = new MasterKeys(new Map([[1, new Uint8Array(32).fill(7)]]));
const RUNS = 4;

/** The rows that the index must have, from the tables that are authoritative. */
const SAID = `WITH RECURSIVE gone (id) AS (
    SELECT id FROM grants WHERE revoked = 1 UNION SELECT grants.id FROM gone JOIN grants ON grants.parent = gone.id)
  SELECT data ->> '$.target.tool' AS tool, tenant, n AS run, grants.id AS "grant" FROM grants JOIN runs ON runs.id = holder
  WHERE lifecycle <> 'ended' AND data ->> '$.target.tool' IS NOT NULL AND grants.id NOT IN (SELECT id FROM gone) ORDER BY 1, 2, 3, 4`;

const holdings = (db: DatabaseSync) => db.prepare('SELECT tool, tenant, run, "grant" FROM holdings ORDER BY 1, 2, 3, 4').all();

/** A host with runs that hold a tool by a grant each, and their own mailbox. */
function started(db = new DatabaseSync(':memory:')) {
  migrate(db);
  const core = new SqliteCore(db, KEYS);
  const node = core.join('embedded', 1);
  for (let n = 1; n <= RUNS; n++) {
    const own = { ...grant(100 + n, n), target: { kind: 'mailbox' as const, run: runId(n) } };
    core.admit(record(n, { tenant: (n % 2 === 0 ? 't' : 'u') as never }), [grant(n, n), own], node);
  }
  return { db, core };
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('derive' as const),
      by: fc.integer({ min: 1, max: RUNS }),
      of: fc.nat(),
      to: fc.integer({ min: 1, max: RUNS }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('person' as const, 'commit' as const),
      by: fc.integer({ min: 1, max: RUNS }),
      of: fc.nat(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('end' as const, 'bury' as const), by: fc.integer({ min: 1, max: RUNS }) }) },
);

test('after any steps it has the grants to tools of runs that go on, without what was revoked above them', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const { db, core } = started();
      const grants = Array.from({ length: RUNS }, (_, i) => i + 1);
      const seq = new Map<number, number>();
      const ended = new Set<number>();
      const next = (n: number) => {
        seq.set(n, (seq.get(n) ?? 0) + 1);
        return seq.get(n) as number;
      };
      for (const one of steps) {
        const { by } = one;
        if (ended.has(by)) continue;
        const of = grants['of' in one ? one.of % grants.length : 0] as number;
        if (one.kind === 'person') core.revoke(grantId(of), 'ana', 'x', 5);
        else if (one.kind === 'commit') core.commit(commit(by, next(by), { revoked: [grantId(of)] }));
        else if (one.kind === 'derive') {
          core.commit(commit(by, next(by), { grants: [grant(grants.length + 1, one.to, of)] }));
          grants.push(grants.length + 1);
        } else {
          ended.add(by);
          if (one.kind === 'bury') core.bury(runId(by), { kind: 'killed', by: 'ana', reason: 'x' }, 9);
          else core.commit(commit(by, next(by), { status: DONE, revoked: [grantId(by)] }));
        }
        expect(holdings(db)).toEqual(db.prepare(SAID).all());
      }
      db.close();
    }),
    { numRuns: 40 },
  );
});

test('a folder from before it existed has it after the migration', () => {
  const { db, core } = started();
  core.commit(commit(1, 1, { grants: [grant(11, 2, 1), grant(12, 3, 11), grant(13, 3, 2)] }));
  core.commit(commit(4, 1, { status: DONE }));
  core.revoke(grantId(11), 'ana', 'x', 5);
  const before = holdings(db);
  expect(before.map((one) => one['grant'])).toEqual([grantId(2), grantId(1), grantId(3), grantId(13)]);
  const at = STEPS.findIndex((text) => text.includes('CREATE TABLE holdings'));
  db.exec(`DROP TABLE holdings; DROP TABLE decided; PRAGMA user_version = ${at}`);
  migrate(db);
  expect(holdings(db)).toEqual(before);
  db.close();
});
