import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId, type RunId } from '@corral/protocol/ids';
import { FactWriter, KIND, versionIn } from './facts.ts';
import { FactReader, type Fact } from './reading.ts';
import { ringMemory } from './ring.ts';

const runs = fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes): RunId => newId('run', () => bytes));
const [ANA, BOB] = ['run_0123456789ab', 'run_zzzzzzzzzzzz'] as unknown as [RunId, RunId];

function ends(slots = 64, names?: number) {
  const memory = ringMemory(slots);
  const [writer, reader] = [new FactWriter(memory, names), new FactReader(memory)];
  const read = (): Fact[] => {
    const facts: Fact[] = [];
    while (reader.read(7, (fact) => facts.push(fact)));
    return facts;
  };
  return { writer, reader, read };
}

const CALL = { code: undefined, attempts: 1, provider: undefined, model: undefined, input_tokens: 0, output_tokens: 0, money_micros: 0 };
const call = (run: RunId, tool: string) => ({ ...CALL, run, call: 7, tool, at: 1_000.5, took_ms: 20, peer: undefined });

describe('facts', () => {
  it('come out of the ring as they went in, whatever the ids and names', () => {
    fc.assert(
      fc.property(runs, runs, fc.string({ unit: 'binary', maxLength: 60 }), fc.nat(), (run, peer, tool, number) => {
        const { writer, read } = ends();
        writer.call({ ...call(run, tool), call: number % 1_000_000, peer, code: 'CORRAL_TOOL_FAILED' });
        const text = new TextDecoder().decode(new TextEncoder().encode(tool));
        expect(read()).toMatchObject([
          {
            kind: KIND.call,
            run,
            peer,
            number: number % 1_000_000,
            texts: [text, 'CORRAL_TOOL_FAILED', '', ''],
            numbers: [1_000.5, 20, 0, 0, 0],
          },
        ]);
      }),
    );
  });

  it('say which runs belong together, and that there is no parent', () => {
    const { writer, read } = ends();
    const about = { tenant: 'acme', agent: 'buyer', version: 'sha256:1', created_at: 5, epoch: 3, woken_at: 9 };
    writer.run({ ...about, run: ANA, root: BOB, parent: undefined });
    expect(read()).toMatchObject([{ kind: KIND.run, run: ANA, peer: BOB, other: undefined, number: 3, numbers: [5, 9, 0, 0, 1] }]);
  });

  it('go round and round the ring in their order, texts that span its end included', () => {
    const { writer, read } = ends(16);
    for (let i = 0; i < 100; i++) {
      const name = `${'long-name-'.repeat(20)}${i}`;
      writer.step(ANA, i, name, 'pause');
      expect(read()).toMatchObject([{ kind: KIND.step, texts: [name, 'pause', '', ''], numbers: [i, 0, 0, 0, 0] }]);
    }
  });

  it('are dropped and counted when the ring is full, and those after that are whole', () => {
    const { writer, reader, read } = ends(8);
    for (let i = 0; i < 20; i++) writer.began(ANA, i);
    expect(read().length + writer.dropped).toBe(20);
    expect(reader.dropped).toBe(writer.dropped);
    expect(writer.dropped).toBeGreaterThanOrEqual(10);
    writer.act(BOB, 3, 'quarantine');
    expect(read()).toMatchObject([{ kind: KIND.act, run: BOB, texts: ['quarantine', '', '', ''] }]);
  });

  it('are counted once if already their names have no room, and such a name is sent again later', () => {
    const { writer, read } = ends(8);
    while (writer.dropped === 0) writer.began(ANA, 1);
    writer.call(call(ANA, 'fs.read'));
    expect(writer.dropped).toBe(2);
    read();
    writer.call(call(ANA, 'fs.read'));
    expect(read()).toMatchObject([{ texts: ['fs.read', '', '', ''] }]);
  });

  it('have their own names however many there are, while both ends know few at a time', () => {
    const four = fc.tuple(fc.nat(8), fc.nat(8), fc.nat(8), fc.nat(8));
    fc.assert(
      fc.property(fc.array(four, { minLength: 50, maxLength: 100 }), (facts) => {
        const { writer, read } = ends(1024, 16);
        const sent = facts.map(([a, b, c, d]) => [`tool-${a}`, `code-${b}`, `provider-${c}`, `model-${d}`] as const);
        for (const [tool, code, provider, model] of sent) writer.call({ ...call(ANA, tool), code, provider, model });
        expect(read().map(({ texts }) => texts)).toEqual(sent);
        expect(writer.dropped).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  it('about what a run is, and that it has ended, have room where others have none', () => {
    const { writer, read } = ends();
    while (writer.dropped === 0) writer.step(ANA, 1, 'repeat', 'notice');
    const about = { tenant: 't', agent: 'a', version: '', created_at: 5, epoch: 1 };
    expect(writer.run({ ...about, run: BOB, root: BOB, parent: undefined })).toBe(false);
    read();
    // Both names are known from here on.
    expect(writer.run({ ...about, run: BOB, root: BOB, parent: undefined })).toBe(true);
    while (writer.dropped < 9) writer.step(ANA, 1, 'repeat', 'notice');
    expect(writer.run({ ...about, run: ANA, root: ANA, parent: undefined })).toBe(true);
    writer.ended({ run: BOB, at: 1, outcome: 'completed', why: undefined, cpu_ms: 1, calls: 1, money_micros: 0 });
    writer.act(ANA, 1, 'refused');
    expect(read().slice(-3)).toMatchObject([
      { kind: KIND.run, run: ANA },
      { kind: KIND.ended, run: BOB },
      { kind: KIND.act, run: ANA },
    ]);
  });

  it('go on with a new reader after the old one is gone, with their names', () => {
    const memory = ringMemory(64);
    const writer = new FactWriter(memory);
    const first = new FactReader(memory);
    writer.call(call(ANA, 'fs.read'));
    first.read(9, () => undefined);
    writer.call(call(ANA, 'fs.read'));
    writer.restart();
    expect(writer.dropped).toBe(1);
    writer.call(call(BOB, 'fs.read'));
    const facts: Fact[] = [];
    new FactReader(memory).read(9, (fact) => facts.push(fact));
    expect(facts).toMatchObject([{ kind: KIND.call, run: BOB, texts: ['fs.read', '', '', ''] }]);
  });

  it('tell versions by the beginning of their digest, so that a new version is no new name', () => {
    const { writer, read } = ends();
    const about = { run: ANA, root: ANA, parent: undefined, tenant: 't', agent: 'a', created_at: 5, epoch: 1 };
    writer.run({ ...about, version: `sha256:00ffeeddccbbaa99${'0'.repeat(48)}` });
    writer.run({ ...about, version: 'none' });
    expect(read().map(({ numbers }) => versionIn(numbers[4] ?? 0))).toEqual(['sha256:00ffeeddccbb', '']);
  });
});
