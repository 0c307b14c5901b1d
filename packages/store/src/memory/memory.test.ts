/** A kept value comes back with the label of its writer, to nobody whom the label excludes, and never from another space. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CLEAN, flowsTo, join as joined, labelOf, type Label } from '@corral/policy/flow/labels';
import { MEMORY, MEMORY_ENTRY_BYTES } from '@corral/protocol/limits-memory';
import type { MemoryCaller, MemoryRemoval, SpaceBounds, SpaceName } from '@corral/protocol/ports/memory';
import { MasterKeys, openKeyRing } from '../core/keys.ts';
import { migrateBy } from '../core/migrate.ts';
import { Entries } from './entries.ts';
import { SqliteMemory } from './memory.ts';
import { Operations } from './operate.ts';
import { migrate, STEPS } from './schema.ts';
import { Tables } from './tables.ts';

const NOTES: SpaceName = { tenant: 'acme', memory: 'notes', kind: 'kv', owner: 'agent:x' };
const ROOM: SpaceBounds = { bytes: 1e6, entries: 1_000, tenant_bytes: 1e7, tenant_entries: 10_000 };
let calls = 0;
const caller = (more: Partial<MemoryCaller> = {}): MemoryCaller => {
  const person = more.person ?? 'ana';
  return { run: 'run_1', call: (calls += 1), agent: 'x', person, names: [person], label: CLEAN, ...more };
};
const put = (name: string, value: string, more = {}) => ({ name, value: Buffer.from(value), value_bytes: 1e6, ...more });
const text = (found: { readonly value: Uint8Array } | undefined) => found && Buffer.from(found.value).toString('utf8');

function memory() {
  const db = new DatabaseSync(':memory:');
  onTestFinished(() => db.close());
  migrate(db);
  const tables = new Tables(db, new MasterKeys(new Map([[1, new Uint8Array(32).fill(7)]])));
  const clock = { now: 1_000 };
  const entries = new Entries(tables, () => clock.now);
  const operations = new Operations(tables, entries, () => clock.now);
  /** All steps of a removal. */
  const drop = (removal: MemoryRemoval, dryRun: boolean, names?: readonly string[]) => {
    let sum = 0;
    let step: ReturnType<Operations['drop']> | undefined;
    do {
      step = operations.drop(removal, dryRun, names, step?.next);
      sum += step.entries;
    } while (step.next !== undefined);
    return { entries: sum };
  };
  return { db, clock, entries, operations, drop };
}

/** Starts the real one on a folder, with keys as the store of runs would have made them. */
function onDisk(folder = mkdtempSync(join(tmpdir(), 'crl-'))) {
  openKeyRing(folder, { kind: 'file' }, true);
  const kept = new SqliteMemory(folder, { kind: 'file' });
  onTestFinished(async () => {
    await kept.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, kept };
}

const LABELS: readonly (Label | undefined)[] = [
  CLEAN,
  labelOf('crm.search', { untrusted: true }),
  labelOf('hr.read', { untrusted: false, private_to: 'ana' }),
  labelOf('mail.read', { untrusted: true, private_to: 'bob' }),
  undefined,
];
const step = fc.record({
  act: fc.constantFrom('put', 'put', 'append', 'remove', 'get', 'list'),
  tenant: fc.constantFrom('acme', 'brix'),
  owner: fc.constantFrom('agent:x', 'agent:y'),
  person: fc.constantFrom('ana', 'bob', 'eva'),
  label: fc.constantFrom(...LABELS),
  name: fc.constantFrom('a', 'a/b', 'b'),
  value: fc.constantFrom('1', '22', 'ünï'),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** An entry as it should be. */
interface Should {
  readonly value: string;
  readonly label: Label | undefined;
  readonly people: ReadonlySet<string>;
}

const both = (a: Label | undefined, b: Label | undefined) => (a === undefined || b === undefined ? undefined : joined(a, b));

/** The answer that each step should have: the same rules over plain maps. */
class Model {
  readonly #spaces = new Map<string, Map<string, Should>>();

  answer({ act, tenant, owner, person, label, name, value }: Step): unknown {
    const id = `${tenant} ${owner}`;
    const space = this.#spaces.get(id) ?? new Map<string, Should>();
    this.#spaces.set(id, space);
    const mayHave = (one: Should) =>
      [...one.people].every((by) => by === person) ||
      (one.label === undefined ? label === undefined : one.label.private_to.every((of) => of === person));
    if (act === 'list') {
      const seen = [...space].filter(([, one]) => mayHave(one)).toSorted(([a], [b]) => (a < b ? -1 : 1));
      return [seen.map(([of]) => of), seen.reduce<Label | undefined>((all, [, one]) => both(all, one.label), CLEAN)];
    }
    const known = space.get(name);
    if (known !== undefined && !mayHave(known)) return 'CORRAL_MEMORY_PRIVATE';
    if (act === 'get') return known === undefined ? 'nothing' : [known.value, known.label];
    if (act === 'remove') return space.delete(name) ? 'done' : 'not done';
    const before = act === 'append' ? known : undefined;
    const people = new Set([...(before?.people ?? []), person]);
    space.set(name, { value: (before?.value ?? '') + value, label: before === undefined ? label : both(before.label, label), people });
    return 'done';
  }
}

/** The answer that a step has. */
function answerOf(entries: Entries, { act, tenant, owner, person, label, name, value }: Step): unknown {
  const space = { ...NOTES, tenant, owner };
  const { label: _label, ...unlabelled } = caller({ person });
  const who = label === undefined ? unlabelled : { ...unlabelled, label };
  try {
    if (act === 'list') {
      const { entries: found, kept } = entries.list(space, who, { prefix: '', limit: 100 });
      return [found.map((one) => one.name), kept.label];
    }
    if (act === 'get') {
      const found = entries.get(space, who, name);
      return found === undefined ? 'nothing' : [text(found), found.kept.label];
    }
    const write =
      act === 'remove' ? entries.remove(space, who, name) : entries.put(space, who, put(name, value, { append: act === 'append' }), ROOM);
    return write.done ? 'done' : 'not done';
  } catch (error) {
    return (error as { readonly code?: string }).code;
  }
}

test('whatever several agents of several tenants write and read, a value has the join of what it was made of, for those alone who may have it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { db, entries } = memory();
      const model = new Model();
      for (const one of steps) expect(answerOf(entries, one)).toEqual(model.answer(one));
      // The sums are those of the rows.
      const sums = db.prepare('SELECT coalesce(sum(bytes), 0) AS bytes, count(*) AS entries FROM entries').get();
      for (const table of ['spaces', 'tenants'])
        expect(db.prepare(`SELECT coalesce(sum(bytes), 0) AS bytes, coalesce(sum(entries), 0) AS entries FROM ${table}`).get()).toEqual(
          sums,
        );
    }),
    { numRuns: 60 },
  );
});

describe('a write', () => {
  test('of a call that is made again is done once, and answered as it was the first time', () => {
    const { entries } = memory();
    const who = caller();
    const first = entries.put(NOTES, who, put('log', 'one;', { append: true }), ROOM);
    entries.put(NOTES, caller(), put('log', 'two;', { append: true }), ROOM);
    expect(entries.put(NOTES, who, put('log', 'one;', { append: true }), ROOM)).toEqual(first);
    expect(text(entries.get(NOTES, caller(), 'log'))).toBe('one;two;');
  });

  test('does not bring back what another call has deleted since', () => {
    const { entries } = memory();
    const who = caller();
    entries.put(NOTES, who, put('a', '1'), ROOM);
    entries.remove(NOTES, caller(), 'a');
    expect(entries.put(NOTES, who, put('a', '1'), ROOM)).toMatchObject({ done: true });
    expect(entries.get(NOTES, caller(), 'a')).toBeUndefined();
  });

  test('with a version is done only if that is the entry’s, and no version comes twice, deleted entries included', () => {
    const { entries } = memory();
    const write = (value: string, version?: number) => entries.put(NOTES, caller(), put('a', value, { version }), ROOM);
    const { version } = write('1', 0);
    expect(write('2', 0)).toMatchObject({ done: false, version });
    expect(write('2', version)).toMatchObject({ done: true });
    expect(write('3', version)).toMatchObject({ done: false });
    entries.remove(NOTES, caller(), 'a');
    const again = write('4', 0);
    expect([again.done, again.version > version]).toEqual([true, true]);
  });

  test('keeps the answers of calls only until their run has them, or has ended', () => {
    const { db, entries, operations } = memory();
    const rows = () => db.prepare('SELECT call FROM calls ORDER BY call').all();
    entries.put(NOTES, caller({ call: 1 }), put('a', '1'), ROOM);
    entries.put(NOTES, caller({ call: 2 }), put('a', '1'), ROOM);
    entries.put(NOTES, caller({ call: 5, answered_below: 2 }), put('a', '1'), ROOM);
    expect(rows()).toEqual([{ call: 2 }, { call: 5 }]);
    expect(operations.callers('', 10)).toEqual(['run_1']);
    operations.settled(['run_1']);
    expect(rows()).toEqual([]);
  });
});

describe('bounds', () => {
  const full = (work: () => unknown) => expect(work).toThrow(expect.objectContaining({ code: 'CORRAL_MEMORY_FULL' }));

  test('of a space and of a tenant are kept to the entry and the byte, and a refused write changes nothing', () => {
    const { entries } = memory();
    const one = MEMORY_ENTRY_BYTES + 2;
    const write = (name: string, bounds: Partial<SpaceBounds>, owner = 'agent:x') =>
      entries.put({ ...NOTES, owner }, caller(), put(name, '1'), { ...ROOM, ...bounds });
    write('a', { entries: 1, bytes: one });
    full(() => write('b', { entries: 1 }));
    full(() => write('b', { bytes: 2 * one - 1 }));
    write('b', { bytes: 2 * one });
    full(() => write('c', { tenant_entries: 2 }, 'agent:y'));
    full(() => write('c', { tenant_bytes: 3 * one - 1 }, 'agent:y'));
    write('c', { tenant_entries: 3, tenant_bytes: 3 * one }, 'agent:y');
    // Another tenant has bounds of its own, and what takes no more room is written in any case.
    entries.put({ ...NOTES, tenant: 'brix' }, caller(), put('a', '1'), { ...ROOM, tenant_entries: 1 });
    write('a', { entries: 1, bytes: 1 });
    full(() => entries.put(NOTES, caller(), put('a', '12', { value_bytes: 1 }), ROOM));
    full(() => entries.put(NOTES, caller(), put('a', '1', { append: true, value_bytes: 1 }), ROOM));
    expect(entries.list(NOTES, caller(), { prefix: '', limit: 10 }).entries).toHaveLength(2);
  });

  test('count no entry that has expired: it is not there, and makes room', () => {
    const { entries, clock } = memory();
    entries.put(NOTES, caller(), put('a', '1', { ttl_ms: 10 }), { ...ROOM, entries: 1 });
    full(() => entries.put(NOTES, caller(), put('b', '1'), { ...ROOM, entries: 1 }));
    clock.now += 10;
    expect(entries.get(NOTES, caller(), 'a')).toBeUndefined();
    expect(entries.list(NOTES, caller(), { prefix: '', limit: 10 }).entries).toEqual([]);
    expect(entries.put(NOTES, caller(), put('b', '1', { version: 0 }), { ...ROOM, entries: 1 })).toMatchObject({ done: true });
    entries.put(NOTES, caller(), put('b', '1', { ttl_ms: 10 }), ROOM);
    clock.now += 10;
    expect(entries.put(NOTES, caller(), put('b', '2', { version: 0 }), { ...ROOM, entries: 1 })).toMatchObject({ done: true });
    expect(entries.sweep()).toBe(false);
    expect(text(entries.get(NOTES, caller(), 'b'))).toBe('2');
  });

  test('of a page leave the rest to the next one, and each entry is on one page', () => {
    const { entries } = memory();
    const names = Array.from({ length: 25 }, (_, i) => `k${String(i).padStart(2, '0')}`);
    for (const name of names) entries.put(NOTES, caller(), put(name, 'x'), ROOM);
    const found: string[] = [];
    let after: string | undefined;
    do {
      const page = entries.list(NOTES, caller(), { prefix: 'k', limit: 10, ...(after === undefined ? {} : { after }) });
      found.push(...page.entries.map(({ name }) => name));
      after = page.next;
    } while (after !== undefined);
    expect(found).toEqual(names);
  });
});

describe('a text', () => {
  const FACTS: SpaceName = { ...NOTES, memory: 'facts', kind: 'memory' };
  const remember = (entries: Entries, name: string, value: string, more: Partial<MemoryCaller> = {}, space = FACTS) =>
    entries.put(space, caller(more), put(name, value, { words: value }), ROOM);
  const recalled = (entries: Entries, words: string, more: Partial<MemoryCaller> = {}, prefix = '') =>
    entries.recall(FACTS, caller(more), { words, prefix, limit: 10 }).entries.map((one) => one.name);

  test('is found by its words, without regard to case and accents, the one with most of them first', () => {
    const { entries } = memory();
    remember(entries, 'a', 'The café in Zürich opens at nine.');
    remember(entries, 'b', 'Zürich has a lake.');
    remember(entries, 'c', 'Nothing of that.');
    expect(recalled(entries, 'ZURICH cafe')).toEqual(['a', 'b']);
    expect(recalled(entries, 'cafes')).toEqual([]);
    expect(recalled(entries, '')).toEqual(['c', 'b', 'a']);
    // A text of operators is words like any other.
    expect(recalled(entries, '" OR NEAR(* NOT lake')).toEqual(['b']);
    entries.put(FACTS, caller(), put('b', 'gone', { words: 'gone' }), ROOM);
    expect(recalled(entries, 'lake')).toEqual([]);
  });

  test('is found in its own space and below what it is about alone, and not by those who may not have it', () => {
    const { entries } = memory();
    remember(entries, 'acme/m_1', 'owes money', { label: labelOf('hr', { untrusted: false, private_to: 'ana' }) });
    remember(entries, 'brix/m_2', 'owes money');
    remember(entries, 'm_3', 'owes money', {}, { ...FACTS, tenant: 'brix' });
    expect(recalled(entries, 'money', {}, 'acme/')).toEqual(['acme/m_1']);
    expect(recalled(entries, 'money', { person: 'bob' })).toEqual(['brix/m_2']);
    expect(recalled(entries, 'money', { person: 'bob', names: ['bob', 'ana'] })).toHaveLength(2);
    const both = entries.recall(FACTS, caller(), { words: 'money', prefix: '', limit: 10 });
    expect(both.kept.label?.private_to).toEqual(['ana']);
    const [first] = both.entries;
    expect(flowsTo(first?.kept.label ?? CLEAN, both.kept.label ?? CLEAN)).toBe(true);
  });

  test('that is forgotten, replaced, expired or removed leaves nothing of the hashes of its words in the index', () => {
    const { db, clock, entries, drop } = memory();
    const index = () =>
      ['SELECT block AS text FROM words_data', 'SELECT term AS text FROM words_idx', 'SELECT hashes AS text FROM hashed']
        .flatMap((sql) => db.prepare(sql).all() as { text: Uint8Array | string }[])
        .map(({ text: one }) => Buffer.from(one as Uint8Array).toString('latin1'))
        .join(' ');
    const runs = ['forgets', 'replaces', 'expires', 'removes', 'stays'];
    for (const run of runs)
      entries.put(FACTS, caller({ run }), put(run, run, { words: `${run} money`, ...(run === 'expires' ? { ttl_ms: 1 } : {}) }), ROOM);
    const hashOf = (run: string) =>
      (db.prepare('SELECT hashes FROM hashed JOIN entries ON n = entry WHERE name = ?').get(run) as { hashes: string }).hashes.split(
        ' ',
      )[0] ?? '';
    const hashes = new Map(runs.map((run) => [run, hashOf(run)]));
    // The index has a hash without the beginning that it has in common with the one before.
    const had = () => runs.filter((run) => index().includes(hashes.get(run)?.slice(4) ?? ''));
    expect(had()).toEqual(runs);
    entries.remove(FACTS, caller(), 'forgets');
    entries.put(FACTS, caller(), put('replaces', 'other', { words: 'other' }), ROOM);
    clock.now += 1;
    entries.sweep();
    drop({ tenant: 'acme', run: 'removes' }, false);
    expect(had()).toEqual(['stays']);
    expect(recalled(entries, 'money forgets replaces expires removes')).toEqual(['stays']);
    expect(recalled(entries, 'other')).toEqual(['replaces']);
    db.exec("INSERT INTO words (words) VALUES ('integrity-check')");
  });

  test('of an older host is found after the migration, and what that had deleted is in no index', () => {
    const db = new DatabaseSync(':memory:');
    onTestFinished(() => db.close());
    migrateBy(STEPS.slice(0, 1), db, 'memory.db');
    db.exec(`INSERT INTO entries VALUES (1, 1, 'a', 1, x'', x'', 0, 0, NULL), (3, 1, 'c', 2, x'', x'', 0, 0, NULL);
      INSERT INTO words (rowid, hashes) VALUES (1, 'b1 a1 c1 a1'), (2, 'd2'), (3, 'e3');
      DELETE FROM words WHERE rowid IN (2, 3); INSERT INTO words (rowid, hashes) VALUES (3, 'f3')`);
    migrate(db);
    expect(db.prepare('SELECT * FROM hashed').all()).toEqual([
      { entry: 1, hashes: 'b1 a1 c1 a1' },
      { entry: 3, hashes: 'f3' },
    ]);
    expect(db.prepare("SELECT rowid FROM words WHERE words MATCH 'a1 OR d2 OR e3 OR f3'").all()).toEqual([{ rowid: 1 }, { rowid: 3 }]);
  });
});

describe('an operator', () => {
  test('counts and removes only what the label allows, under the names that are given', () => {
    const { entries, drop } = memory();
    entries.put(NOTES, caller({ label: labelOf('hr.read', { untrusted: false, private_to: 'eva' }) }), put('a', '1'), ROOM);
    entries.put(NOTES, caller(), put('b', '1'), ROOM);
    const counted = (names?: readonly string[]) => drop({ tenant: 'acme', prefix: '' }, true, names).entries;
    expect([counted(), counted(['bob']), counted(['eva'])]).toEqual([2, 1, 2]);
    expect(drop({ tenant: 'acme', prefix: '' }, false, ['bob']).entries).toBe(1);
    expect(counted()).toBe(1);
  });

  test('removes what a run has written a part of, what is of a person, and all of a tenant, each alone', () => {
    const { db, entries, drop } = memory();
    const all = () => (db.prepare('SELECT name FROM entries ORDER BY name').all() as { name: string }[]).map(({ name }) => name);
    entries.put(NOTES, caller({ run: 'run_1' }), put('a', '1'), ROOM);
    entries.put(NOTES, caller({ run: 'run_2' }), put('b', '1'), ROOM);
    entries.put(NOTES, caller({ run: 'run_1' }), put('b', '1', { append: true }), ROOM);
    entries.put(NOTES, caller({ run: 'run_2' }), put('c', '1'), ROOM);
    entries.put({ ...NOTES, owner: 'person:ana' }, caller({ run: 'run_2' }), put('d', '1'), ROOM);
    entries.put({ ...NOTES, tenant: 'brix' }, caller({ run: 'run_1' }), put('e', '1'), ROOM);
    expect(drop({ tenant: 'acme', run: 'run_1' }, true)).toMatchObject({ entries: 2 });
    expect(all()).toEqual(['a', 'b', 'c', 'd', 'e']);
    drop({ tenant: 'acme', run: 'run_1' }, false);
    expect(all()).toEqual(['c', 'd', 'e']);
    drop({ tenant: 'acme', owner: 'person:ana' }, false);
    expect(all()).toEqual(['c', 'e']);
    expect(db.prepare("SELECT count(*) AS n FROM spaces WHERE owner = 'person:ana'").get()).toEqual({ n: 0 });
    drop({ tenant: 'acme' }, false);
    expect(all()).toEqual(['e']);
    expect(db.prepare('SELECT count(*) AS n FROM spaces').get()).toEqual({ n: 1 });
    // The space can be written to again.
    entries.put(NOTES, caller(), put('a', '2'), ROOM);
    expect(text(entries.get(NOTES, caller(), 'a'))).toBe('2');
  });
});

test('what is kept outlives its host, and its files hold neither values nor their words nor labels in clear', async () => {
  const { folder, kept } = onDisk();
  const space: SpaceName = { ...NOTES, kind: 'memory' };
  const label = labelOf('source-of-rumours', { untrusted: true, private_to: 'ana' });
  await kept.put(space, caller({ label }), put('m', 'Quetzalcoatlus northropi', { words: 'Quetzalcoatlus northropi' }), ROOM);
  await kept.close();
  for (const name of readdirSync(folder).filter((one) => one.startsWith('memory.db')))
    expect(readFileSync(join(folder, name), 'latin1')).not.toMatch(/quetzal|northropi|rumours/i);
  const { kept: again } = onDisk(folder);
  const found = await again.recall(space, caller(), { words: 'northropi', prefix: '', limit: 1 });
  expect([found.entries.map(text), found.kept.label]).toEqual([['Quetzalcoatlus northropi'], label]);
  const row = (await again.spaces({ after: 0, limit: 10 }))[0];
  expect(row).toMatchObject({ tenant: 'acme', memory: 'notes', owner: 'agent:x', entries: 1 });
});

test('requests that come at once are answered each for itself: one that is refused takes none of the others with it', async () => {
  const { kept } = onDisk();
  const bounds = { ...ROOM, entries: 5 };
  const answers = await Promise.allSettled(
    Array.from({ length: 10 }, (_, i) => kept.put(NOTES, caller({ call: 100 + i }), put(`k${i}`, 'x'), bounds)),
  );
  expect(answers.map(({ status }) => status)).toEqual([...Array(5).fill('fulfilled'), ...Array(5).fill('rejected')]);
  expect((await kept.list(NOTES, caller(), { prefix: '', limit: 100 })).entries).toHaveLength(5);
});

test('what is removed is in no file any more once that is answered, in steps that leave turns to other tenants', async () => {
  const { folder, kept } = onDisk();
  const facts: SpaceName = { ...NOTES, kind: 'memory' };
  const words = (i: number) => `word${i} other${i}`;
  await Promise.all(
    Array.from({ length: 600 }, (_, i) =>
      kept.put(facts, caller({ run: i % 2 === 0 ? 'run_even' : 'run_odd' }), put(`entry-${i}-`, words(i), { words: words(i) }), ROOM),
    ),
  );
  const db = new DatabaseSync(join(folder, 'memory.db'), { readOnly: true });
  const hashes = (db.prepare('SELECT hashes FROM hashed ORDER BY entry').all() as { hashes: string }[]).map(({ hashes: of }) =>
    of.split(' '),
  );
  db.close();
  expect(hashes).toHaveLength(600);
  const order: string[] = [];
  const removing = kept.drop({ tenant: 'acme', run: 'run_even' }, false).then((removed) => {
    order.push('removed');
    return removed;
  });
  await kept.put({ ...NOTES, tenant: 'brix' }, caller(), put('a', '1'), ROOM).then(() => order.push('written'));
  expect(await removing).toMatchObject({ entries: 300 });
  expect(order).toEqual(['written', 'removed']);
  const files = readdirSync(folder).filter((name) => name.startsWith('memory.db'));
  const all = files.map((name) => readFileSync(join(folder, name), 'latin1')).join('');
  const left = (parity: number) => hashes.filter((pair, i) => i % 2 === parity && pair.some((hash) => all.includes(hash.slice(6)))).length;
  expect([left(0), left(1)]).toEqual([0, 300]);
  expect([all.includes('entry-0-'), all.includes('entry-1-')]).toEqual([false, true]);
});

test('many entries that a caller may not read are passed over in steps: a list comes to what is behind them, a recall of the latest does not', async () => {
  const { folder, kept } = onDisk();
  const facts: SpaceName = { ...NOTES, kind: 'memory' };
  const looked = MEMORY.memory_looked.default;
  const db = new DatabaseSync(join(folder, 'memory.db'));
  migrate(db);
  const entries = new Entries(new Tables(db, openKeyRing(folder, { kind: 'file' }, false)), () => 1);
  const room = { entries: 1e6, bytes: 1e9, tenant_entries: 1e6, tenant_bytes: 1e9 };
  db.exec('BEGIN');
  entries.put(facts, caller(), put('z', 'rare', { words: 'rare' }), room);
  const hers = caller({ person: 'eva', label: labelOf('hr', { untrusted: false, private_to: 'eva' }) });
  for (let i = 0; i <= 2 * looked; i += 1) entries.put(facts, { ...hers, call: 1e6 + i }, put(`a${i}`, 'x'), room);
  db.exec('COMMIT');
  db.close();
  expect((await kept.list(facts, caller(), { prefix: '', limit: 10 })).entries.map(({ name }) => name)).toEqual(['z']);
  const recalled = async (words: string, prefix = '') => (await kept.recall(facts, caller(), { words, prefix, limit: 10 })).entries.length;
  expect([await recalled(''), await recalled('', 'z'), await recalled('rare')]).toEqual([0, 1, 1]);
});

test('a tenant with many requests leaves turns to another one', async () => {
  const { kept } = onDisk();
  let done = 0;
  const many = Array.from({ length: 300 }, (_, i) => kept.put(NOTES, caller(), put(`k${i}`, 'x'), ROOM).then(() => (done += 1)));
  await kept.put({ ...NOTES, tenant: 'brix' }, caller(), put('a', '1'), ROOM);
  expect(done).toBeLessThan(100);
  await Promise.all(many);
});
