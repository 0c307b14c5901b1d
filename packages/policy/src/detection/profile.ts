/**
 * The usual behaviour of an agent version, learned from runs that a person approved, and how unusual another call is: which tools it uses
 * and in what order, the shape of arguments, where their values come from and where they go. A profile is plain data. The probability of
 * something never seen is estimated after Good and Turing: the share of things seen once.
 */
import { hashText } from './reading.ts';

export interface ProfiledCall {
  readonly tool: string;
  readonly input: unknown;
  /** See CallSeen.origins. */
  readonly origins?: Readonly<Record<string, readonly string[]>>;
}

/** In how many runs each thing was seen. `once`: how many things were seen in one run only. */
interface Tally {
  runs: number;
  once: number;
  seen: Record<string, number>;
}
export interface Profile {
  readonly version: 1;
  runs: number;
  readonly tools: Tally;
  /** By tool: the tool called before it. */
  readonly before: Record<string, Tally>;
  /** By tool: the other tools that the run had used by then. */
  readonly together: Record<string, Tally>;
  /** By tool: which of its arguments came from results, together as one entry. */
  readonly patterns: Record<string, Tally>;
  /** By tool: names and types of its arguments. */
  readonly shapes: Record<string, Tally>;
  /** By tool and argument: kinds of origin. `values`: the values. */
  readonly origins: Record<string, Tally>;
  readonly values: Record<string, Tally>;
}

export const ASPECTS = ['tool', 'order', 'together', 'shape', 'pattern', 'origin', 'value'] as const;
export type Aspect = (typeof ASPECTS)[number];
export interface Surprise {
  /** Nats beyond the usual surprise; 0: nothing unusual. */
  readonly score: number;
  /** At most four unusual things, most unusual first. */
  readonly parts: readonly { readonly aspect: Aspect; readonly about: string; readonly score: number }[];
}

/** Number of different entries of one tally; beyond that new ones are not added. */
const SEEN_MAX = 256;
/** Number of tools and arguments that a profile distinguishes for each aspect, because agents can make up names without end. */
const TALLIES_MAX = 1024;
/** Weight of each aspect. Which tools are called and where values go say more than their order. */
export const ASPECT_WEIGHTS: Readonly<Record<Aspect, number>> = {
  tool: 0.7,
  order: 0.5,
  together: 0.5,
  shape: 0.5,
  pattern: 1,
  origin: 1,
  value: 0.3,
};

const START = '^';
/**
 * Agents choose the names; one that every object has ("constructor") would be found although it was never added, so it is stored with a
 * mark.
 */
const TAKEN = new Set(Object.getOwnPropertyNames(Object.prototype));
const own = (name: string): string => (TAKEN.has(name) ? `=${name}` : name);
const nothing = (): Tally => ({ runs: 0, once: 0, seen: {} });
export const emptyProfile = (): Profile => ({
  version: 1,
  runs: 0,
  tools: nothing(),
  before: {},
  together: {},
  patterns: {},
  shapes: {},
  origins: {},
  values: {},
});

/** Adds one approved run. */
export function learn(profile: Profile, calls: readonly ProfiledCall[]): void {
  profile.runs++;
  const tools: string[] = [];
  /** By tool: length of `tools` when it was last called, so that each pair is added once. */
  const met = new Map<string, number>();
  const facts: [Record<string, Tally>, string, string][] = [];
  let previous = START;
  for (const call of calls) {
    const known = met.get(call.tool);
    for (let i = known ?? 0; i < tools.length; i++)
      if (tools[i] !== call.tool) facts.push([profile.together, call.tool, tools[i] as string]);
    if (tools.length === 0) facts.push([profile.together, call.tool, START]);
    if (known === undefined) tools.push(call.tool);
    met.set(call.tool, tools.length);
    const found = leaves(call);
    facts.push(
      [profile.patterns, call.tool, patternOf(found)],
      [profile.before, call.tool, previous],
      [profile.shapes, call.tool, shapeOf(call.input)],
    );
    for (const { path, origin, value } of found) {
      facts.push([profile.origins, `${call.tool} ${path}`, origin], [profile.values, `${call.tool} ${path}`, value]);
    }
    previous = call.tool;
  }
  // A run counts once for each thing, so that one long run does not make a thing usual.
  const done = new Map<Tally, Set<string>>();
  for (const tool of tools) count(profile.tools, tool);
  profile.tools.runs++;
  for (const [table, key, what] of facts) {
    const name = own(key);
    let tally = table[name];
    if (tally === undefined) {
      if (sizeOf(table) >= TALLIES_MAX) continue;
      tally = table[name] = nothing();
      grown(table);
    }
    let known = done.get(tally);
    if (known === undefined) {
      done.set(tally, (known = new Set()));
      tally.runs++;
    } else if (known.has(what)) continue;
    known.add(what);
    count(tally, what);
  }
}

/** Number of keys of tables, as a cache: counting the keys of a large object takes long. */
const sizes = new WeakMap<object, number>();
function sizeOf(table: object): number {
  const known = sizes.get(table) ?? Object.keys(table).length;
  sizes.set(table, known);
  return known;
}
/** Adjusts the cache after a name was added. */
function grown(table: object): void {
  const known = sizes.get(table);
  if (known !== undefined) sizes.set(table, known + 1);
}

function count(tally: Tally, what: string): void {
  const name = own(what);
  sums.delete(tally);
  const times = tally.seen[name] ?? 0;
  if (times === 0 && sizeOf(tally.seen) >= SEEN_MAX) return;
  tally.seen[name] = times + 1;
  if (times === 0) {
    tally.once++;
    grown(tally.seen);
  } else if (times === 1) tally.once--;
}

/**
 * How unusual a call is against the profile, after a call of `previous`, in a run that has used the tools `used`. A profile of no runs
 * finds nothing unusual.
 */
export function surprise(profile: Profile, used: Iterable<string>, previous: string | undefined, call: ProfiledCall): Surprise {
  if (profile.runs === 0) return { score: 0, parts: [] };
  const parts: { aspect: Aspect; about: string; score: number }[] = [];
  const add = (aspect: Aspect, about: string, tally: Tally | undefined, what: string) => {
    const score = ASPECT_WEIGHTS[aspect] * (tally === undefined ? 0 : odd(tally, what));
    if (score > 0) parts.push({ aspect, about, score });
  };
  add('tool', call.tool, profile.tools, call.tool);
  let strangest: string | undefined;
  let strangeness = 0;
  const together = profile.together[own(call.tool)];
  if (together !== undefined)
    for (const other of used) {
      const score = other === call.tool ? 0 : odd(together, other);
      if (score > strangeness) [strangest, strangeness] = [other, score];
    }
  if (strangest !== undefined)
    parts.push({ aspect: 'together', about: `${call.tool} with ${strangest}`, score: ASPECT_WEIGHTS.together * strangeness });
  const found = leaves(call);
  const pattern = patternOf(found);
  if (pattern !== '') add('pattern', `${call.tool} with ${pattern} from results`, profile.patterns[own(call.tool)], pattern);
  add('order', `${call.tool} after ${previous ?? 'the start'}`, profile.before[own(call.tool)], previous ?? START);
  add('shape', call.tool, profile.shapes[own(call.tool)], shapeOf(call.input));
  for (const { path, origin, value } of found) {
    // A value that the owner wrote in the prompt is not unusual, even if it is rare.
    if (origin === 'prompt') continue;
    add('value', `${call.tool} ${path}`, profile.values[`${call.tool} ${path}`], value);
    if (origin !== 'made') add('origin', `${call.tool} ${path} from ${origin}`, profile.origins[`${call.tool} ${path}`], origin);
  }
  parts.sort((a, b) => b.score - a.score);
  // Each further thing counts half of the one before, so that a call with many arguments is not more unusual for that.
  let score = 0;
  parts.forEach((part, i) => (score += part.score / 2 ** i));
  return { score, parts: parts.slice(0, 4) };
}

interface Sums {
  readonly total: number;
  /** Probability of things never seen. */
  readonly fresh: number;
  /** Mean surprise. Nats. */
  readonly usual: number;
}
/** Cache of sums; an entry is deleted when its tally changes. */
const sums = new WeakMap<Tally, Sums>();

function sumsOf(tally: Tally): Sums {
  const known = sums.get(tally);
  if (known !== undefined) return known;
  const times = Object.values(tally.seen);
  const total = times.reduce((sum, one) => sum + one, 0);
  const fresh = (tally.once + 0.5) / (total + 1);
  // Mean surprise over everything seen, and over the unseen.
  let usual = -fresh * Math.log(fresh);
  for (const one of times) {
    const p = probability(one, total, fresh);
    usual -= p * Math.log(p);
  }
  const made = { total, fresh, usual };
  sums.set(tally, made);
  return made;
}

const probability = (times: number, total: number, fresh: number) => (times / (total + 1)) * (1 - fresh) + 1e-9;

/** Surprise beyond the mean of the tally, in nats; at least 0. */
function odd(tally: Tally, what: string): number {
  const { total, fresh, usual } = sumsOf(tally);
  const times = tally.seen[own(what)];
  return Math.max(0, -Math.log(times === undefined ? fresh : probability(times, total, fresh)) - usual);
}

/** Names and types of the arguments, two levels deep: `{a:s,b:[n]}`. */
function shapeOf(value: unknown, depth = 0): string {
  if (Array.isArray(value)) return depth > 1 ? '[]' : `[${value.length === 0 ? '' : shapeOf(value[0], depth + 1)}]`;
  if (typeof value === 'object' && value !== null) {
    if (depth > 1) return '{}';
    const names = Object.keys(value).sort().slice(0, 32);
    return `{${names.map((name) => `${name}:${shapeOf((value as Record<string, unknown>)[name], depth + 1)}`).join(',')}}`;
  }
  return value === null ? '0' : ((typeof value)[0] as string);
}

interface Leaf {
  readonly path: string;
  readonly origin: string;
  /** The host of an address, and a digest of everything else, so that a profile contains no content. */
  readonly value: string;
}

/** The arguments that came from results and did not also occur in the prompt. */
function patternOf(found: readonly Leaf[]): string {
  if (found.every(({ origin }) => origin === 'prompt' || origin === 'made')) return '';
  const paths = new Map<string, string>();
  for (const { path, origin } of found) {
    const kind = origin === 'prompt' || origin === 'made' ? origin : 'result';
    const known = paths.get(path);
    paths.set(path, known === undefined || kind === 'result' ? kind : known);
  }
  return [...paths]
    .filter(([, kind]) => kind === 'result')
    .map(([path]) => path)
    .sort()
    .join(',');
}

const LEAVES_MAX = 32;

function leaves(call: ProfiledCall): Leaf[] {
  const found: Leaf[] = [];
  const visit = (value: unknown, path: string, depth: number) => {
    if (found.length >= LEAVES_MAX || depth > 4) return;
    if (Array.isArray(value)) for (const item of value) visit(item, path, depth + 1);
    else if (typeof value === 'object' && value !== null)
      for (const name of Object.keys(value).slice(0, LEAVES_MAX))
        visit((value as Record<string, unknown>)[name], path === '' ? name : `${path}.${name}`, depth + 1);
    else if (value !== null && value !== undefined)
      found.push({ path, origin: call.origins === undefined ? '?' : originOf(call.origins[path]), value: valueOf(value) });
  };
  visit(call.input, '', 0);
  return found;
}

/** The prompt wins: a value that the owner wrote may also occur elsewhere. */
function originOf(origins: readonly string[] | undefined): string {
  if (origins === undefined || origins.length === 0) return 'made';
  return origins.includes('prompt') ? 'prompt' : ([...origins].sort()[0] as string);
}

function valueOf(value: unknown): string {
  const text = String(value).trim().toLowerCase();
  const host = /^(?:[a-z][a-z0-9+.-]*:\/\/)?((?:[a-z0-9-]+\.)+[a-z]{2,})(?:[/:?#]|$)/.exec(text.slice(0, 256));
  if (host !== null) return host[1] as string;
  return text === 'true' || text === 'false' ? text : `#${(hashText(text) >>> 0).toString(36)}`;
}
