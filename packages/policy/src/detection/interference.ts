/**
 * Finds two runs that undo each other's work on one resource: they write alternately, and each writes again what it wrote before. Fed by
 * the supervisor with calls that have an effect and name a resource.
 */
import { acrossRuns } from './detector.ts';
import type { FindingOf } from './events.ts';
import { mix, Reader } from './reading.ts';

/** Number of remembered resources, and of writes to each. */
const RESOURCES_MAX = 1024;
const WRITES_MAX = 16;

interface Write {
  readonly run: string;
  readonly what: number;
  readonly position: number;
}
interface Resource {
  writes: Write[];
  reported: number;
}

const reader = new Reader();

export const interference = acrossRuns({
  name: 'interference',
  sees: 'two runs each of which undoes the changes of the other on one `resource`',
  spares: 'different writes to it',
  ladder: { notice: 0.5, pause: 0.7 },
});

export class Interference {
  readonly #resources = new Map<string, Resource>();
  #position = 0;

  wrote(run: string, resource: string, tool: string, input: unknown): FindingOf<'interference'>[] {
    const position = this.#position++;
    const known = this.#resources.get(resource) ?? { writes: [], reported: 0 };
    // Moves it to the end; the least recently written resource is forgotten first.
    this.#resources.delete(resource);
    this.#resources.set(resource, known);
    if (this.#resources.size > RESOURCES_MAX) this.#resources.delete(this.#resources.keys().next().value as string);
    const what = mix(reader.read(tool, 'asked').digest, reader.read(input, 'asked').digest);
    known.writes.push({ run, what, position });
    if (known.writes.length > WRITES_MAX) known.writes.shift();
    // A return: the run wrote the same before, and another run wrote something else in between.
    let returns = 0;
    const runs = new Set<string>();
    const events: number[] = [];
    known.writes.forEach((write, i) => {
      const last = known.writes.findLastIndex((other, j) => j < i && other.run === write.run && other.what === write.what);
      if (last < 0) return;
      const between = known.writes.slice(last + 1, i).find((other) => other.run !== write.run && other.what !== write.what);
      if (between === undefined) return;
      returns++;
      runs.add(write.run).add(between.run);
      events.push(known.writes[last]?.position ?? 0, between.position, write.position);
    });
    const confidence = returns / (returns + 2);
    if (returns < 2 || runs.size < 2 || confidence < known.reported + 0.1) return [];
    known.reported = confidence;
    return [
      {
        detector: 'interference',
        confidence,
        evidence: {
          text: `${[...runs].join(' and ')} undo each other’s work on ${resource}: ${returns} times one put back what another had changed.`,
          events: [...new Set(events)].sort((a, b) => a - b),
          subjects: [...runs],
          figures: { returns },
        },
      },
    ];
  }
}
