/** The guests of the scoreboard: each typed file below `test/agents/hostile/guests`, and the zoo. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ZOO } from '@corral/examples/fleet';
import type { Expected } from '../../agents/hostile/guests/expected.ts';

const FOLDER = fileURLToPath(new URL('../../agents/hostile/guests', import.meta.url));
const EXAMPLES = dirname(fileURLToPath(import.meta.resolve('@corral/examples/package.json')));

export interface Guest extends Expected {
  /** Kind and name: `memory/maps`. */
  readonly name: string;
  readonly file: string;
  /** Its first sentence: what it does. */
  readonly does: string;
}

/** All guests, by name. */
export async function guests(): Promise<Guest[]> {
  const found: Guest[] = [];
  for (const kind of readdirSync(FOLDER, { withFileTypes: true })) {
    if (!kind.isDirectory()) continue;
    for (const entry of readdirSync(join(FOLDER, kind.name))) {
      const file = join(FOLDER, kind.name, entry);
      // Code at the top of a guest that is hostile when it is loaded looks whether it is in an isolate.
      const { expected } = (await import(file)) as { expected?: Expected };
      if (expected === undefined) throw new Error(`${file} does not export what is expected of it.`);
      found.push({ ...expected, name: `${kind.name}/${basename(entry, '.ts')}`, file, does: firstSentence(file) });
    }
  }
  return [...found, ...zoo()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Agents of the zoo that end by themselves; where a detector has to stop one, the demo and its own test hold it to that. */
function zoo(): Guest[] {
  return ZOO.flatMap((member) => {
    const [name = '', ends = ''] = Object.entries(member.expected)[0] ?? [];
    if (Object.values(member.expected).some((one) => /^(?:paused|looped)\(/.test(one))) return [];
    const limit = member.limit_ms;
    const file = join(EXAMPLES, member.file);
    const one = {
      ends,
      name,
      file,
      does: firstSentence(file),
      ...(limit === undefined ? {} : { limit: ends === 'exceeded(wall)' ? { wall_ms: limit } : { cpu_ms: limit } }),
      ...memoryOf(file),
    };
    return [one];
  });
}

/** The heap ceiling that an agent of the zoo names. */
function memoryOf(file: string): { memory_mib?: number } {
  const [, mib] = /memory_mib: (\d+)/.exec(readFileSync(file, 'utf8')) ?? [];
  return mib === undefined ? {} : { memory_mib: Number(mib) };
}

function firstSentence(file: string): string {
  const [, comment = ''] = /^\/\*\*\s*([\s\S]*?)\*\//.exec(readFileSync(file, 'utf8')) ?? [];
  const text = comment.replaceAll(/\s*\n\s*\*\s*/g, ' ').trim();
  return /^.*?[.:;](?=\s|$)/.exec(text)?.[0].replace(/[:;]$/, '.') ?? text;
}
