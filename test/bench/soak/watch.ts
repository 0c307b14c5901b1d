/** Observes a soak's host from outside: how long runnable runs wait, memory, descriptors, disk, and the load of the machine. */
import { readdirSync, statSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { pause, type SoakHost } from './host.ts';
import { rowsOf } from './people.ts';
import { slopePerHour, type Point } from './slope.ts';

/** Maximum age of a runnable run. */
export const OLDEST_MS = 10_000;
const RUNNABLE_MS = 2_000;
/** Agents whose calls and children take less than a second, so that all their waiting counts as waiting for the host. */
const PROMPT = new Set(['short', 'family', 'family/member', 'send/counter', 'tick']);
const SAMPLE_MS = 10_000;
const IDLE_SAMPLE_MS = 1_000;
/** Time after a start in which memory is not measured. */
const WARM_MS = 60_000;
/** A life that is warm for less than this does not count for slopes. */
const SLOPE_MS = 120_000;

interface Sample {
  readonly at_ms: number;
  readonly life: number;
  readonly age_ms: number;
  readonly host_mib: number;
  readonly cells_mib: number;
  readonly descriptors: number;
}

export class Watch {
  readonly samples: Sample[] = [];
  /** The minimum of each rest without work. */
  readonly idle: Sample[] = [];
  readonly loads: number[] = [];
  /** The run that was runnable for longest, over all samples. */
  oldest = { age_ms: 0, what: '' };
  /** Runs that were runnable for too long, with that time. */
  readonly old = new Map<string, { age_ms: number; what: string }>();
  open = 0;
  looks = 0;
  readonly #host: SoakHost;
  #since = new Map<string, { stamp: string; at_ms: number }>();
  /** Prompt runs that have waited for a person. */
  readonly #settled = new Set<string>();

  constructor(host: SoakHost) {
    this.#host = host;
  }

  async go(signal: AbortSignal): Promise<void> {
    await Promise.all([
      repeat(RUNNABLE_MS, signal, () => this.#runnable()),
      repeat(SAMPLE_MS, signal, async () => {
        this.loads.push(loadavg()[0] ?? 0);
        const sample = this.#sample();
        if (sample !== undefined) this.samples.push(sample);
      }),
    ]);
  }

  /** Samples for a while in which nothing is submitted, and keeps the minimum of each value. */
  async rest(ms: number): Promise<void> {
    const samples: Sample[] = [];
    for (const end = Date.now() + ms; Date.now() < end; await pause(IDLE_SAMPLE_MS)) {
      const sample = this.#sample();
      if (sample !== undefined) samples.push(sample);
    }
    const last = samples.at(-1);
    if (last === undefined) return;
    const least = (of: (sample: Sample) => number) => Math.min(...samples.map(of));
    this.idle.push({
      ...last,
      host_mib: least((one) => one.host_mib),
      cells_mib: least((one) => one.cells_mib),
      descriptors: least((one) => one.descriptors),
    });
  }

  /** Growth per hour: within lives, after they are warm; and from rest to rest. */
  slope(of: (sample: Sample) => number): { readonly within: number | undefined; readonly idle: number | undefined } {
    const lives = new Map<number, Point[]>();
    const point = (sample: Sample): Point => ({ at_ms: sample.at_ms, value: of(sample) });
    for (const sample of this.samples)
      if (sample.age_ms >= WARM_MS) lives.set(sample.life, [...(lives.get(sample.life) ?? []), point(sample)]);
    const long = [...lives.values()].filter((points) => (points.at(-1)?.at_ms ?? 0) - (points[0]?.at_ms ?? 0) >= SLOPE_MS);
    return { within: slopePerHour(long), idle: slopePerHour([this.idle.map(point)]) };
  }

  #sample(): Sample | undefined {
    const { up } = this.#host;
    const descriptors = this.#host.descriptors();
    const [host, ...others] = this.#host.processes();
    if (up === undefined || descriptors === undefined || host === undefined) return undefined;
    const mib = (kib: number) => kib / 1024;
    return {
      at_ms: Date.now(),
      life: this.#host.lives.length,
      age_ms: Date.now() - up.up_at,
      host_mib: mib(host.rss_kib),
      cells_mib: mib(others.reduce((sum, one) => sum + one.rss_kib, 0)),
      descriptors,
    };
  }

  /**
   * Measures how long runs are runnable. A run is runnable while it is queued or waits for nothing. Its age counts from when it was first
   * seen in that state, and again from each progress. For prompt runs it counts from admission, from the start of the host, or from the
   * settlement of what they waited for by a person.
   */
  async #runnable(): Promise<void> {
    const { up } = this.#host;
    if (up === undefined) return;
    const rows = await rowsOf(this.#host.admin, { live: 'true' }).catch(() => undefined);
    // The host has stopped meanwhile, so its answer does not count.
    if (rows === undefined || this.#host.up !== up) return;
    this.looks += 1;
    const now = Date.now();
    const before = this.#since;
    this.#since = new Map();
    this.open = rows.filter(({ key }) => key === null).length;
    for (const { run, agent, lifecycle, waiting, control, calls, cpu_ms, created_at } of rows) {
      const prompt = PROMPT.has(agent);
      if (prompt && waiting === 'resolution') this.#settled.add(run);
      if (control !== 'none' || waiting === 'resolution') continue;
      if (!prompt && lifecycle !== 'queued' && waiting !== 'nothing') continue;
      const stamp = `${this.#host.lives.length} ${prompt ? '' : `${lifecycle} ${calls} ${cpu_ms}`}`;
      const known = before.get(run);
      const fresh = (prompt && !this.#settled.has(run)) || lifecycle === 'queued' ? Math.max(created_at, up.up_at) : now;
      const since = known?.stamp === stamp ? known : { stamp, at_ms: fresh };
      this.#since.set(run, since);
      const age_ms = now - since.at_ms;
      const what = `${agent} ${run}, ${lifecycle}, waits for ${waiting}, at ${new Date(now).toISOString()}, ${now - up.up_at} ms after a start`;
      if (age_ms > this.oldest.age_ms) this.oldest = { age_ms, what };
      if (age_ms > OLDEST_MS) this.old.set(run, { age_ms, what });
    }
  }
}

async function repeat(ms: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await work();
    await pause(ms);
  }
}

/** Total bytes of all files in a folder. */
export function bytesOf(folder: string): number {
  let sum = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    try {
      if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name)).size;
    } catch {
      // The file was deleted meanwhile.
    }
  }
  return sum;
}
