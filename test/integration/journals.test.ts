/**
 * Journals that earlier commits wrote, replayed by this one. Each file of `journals` has two runs as they were recorded: one whose bundle
 * draws random numbers and reads the clock while it loads, and one whose bundle does not.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CachedScript } from '@corral/cell/image';
import { replay } from '@corral/cell/replay';
import { Session } from '@corral/cell/session';
import { needsOf } from '@corral/guest/abi';
import type { Digest } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import { segmentSeed, segmentsOf } from '@corral/supervisor';
import { builtImage } from '../image.ts';

interface Recorded {
  readonly record: RunRecord;
  readonly entries: readonly Entry[];
  readonly source: string;
  readonly bundle: Digest;
}
const FOLDER = new URL('journals/', import.meta.url);
const FILES = readdirSync(FOLDER).map((file) => ({
  commit: file.replace('.json', ''),
  runs: (JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as { runs: readonly Recorded[] }).runs,
}));

/** Replays a run as a cell does. @param inAdvance in isolates that were made before the run was known @returns its segments @throws Fault */
function replayed({ record, entries, source, bundle }: Recorded, inAdvance: boolean): number {
  const image = builtImage();
  const { ceilings, agent, created_at: at, header } = record;
  const segments = segmentsOf(entries, bundle);
  for (const { checkpoint, cranks } of segments) {
    const run = { agent, at, seed: segmentSeed(header.seed, checkpoint) };
    const session = new Session({
      image,
      bundle: new CachedScript(source, 'agent.js'),
      config: {
        ...(inAdvance ? {} : run),
        message_bytes: ceilings.message_bytes,
        log_bytes: ceilings.log_bytes,
        effects_per_crank: MACHINE.effects_per_crank.default,
        effects_bytes: MACHINE.effects_bytes.default,
        ...needsOf(source),
      },
      memory_mib: ceilings.memory_mib,
      load_cpu_us: 0,
    });
    try {
      if (inAdvance) session.begin(run);
      replay(session, { cranks: cranks.map(({ seq, delivery, effects, cpu_us }) => ({ crank: seq, delivery, effects, cpu_us })) }, 0);
    } finally {
      session.dispose();
    }
  }
  return segments.length;
}

describe.each(FILES)('a journal of commit $commit', ({ runs }) => {
  const [plain, drawing] = runs as readonly [Recorded, Recorded];

  test('replays here', () => {
    expect([plain, drawing].map((run) => replayed(run, false))).toEqual([2, 2]);
  });

  test('replays in isolates made in advance, unless its bundle cannot be loaded in advance', () => {
    expect(replayed(plain, true)).toBe(2);
    expect(() => replayed(drawing, true)).toThrow('asks for the time or for randomness');
  });
});
