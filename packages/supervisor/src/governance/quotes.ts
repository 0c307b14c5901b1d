/**
 * The text that arguments came from, for the people who decide about a call: the results and messages in which a value of the arguments
 * occurs. The provenance index keeps only hashes, so the text is searched for in the journal.
 */
import type { Decision } from '@corral/protocol/model/decision';
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import type { Json } from '@corral/protocol/json';
import type { Kept, Label } from '@corral/protocol/model/label';
import type { Entry } from '@corral/protocol/model/run';
import { unionOf, WORST } from '@corral/policy/flow/labels';
import { leavesOf, type Leaf } from '@corral/policy/flow/leaves';
import { fold, SHORTEST_TRACE_CHARS, tokens } from '@corral/policy/flow/text';

export interface Quote {
  /** Path of the argument: `to`, `recipients[0]`. */
  readonly path: string;
  /** Its value as text; the beginning of a long one. */
  readonly value: string;
  /** The tool that answered, or the agent that wrote. */
  readonly source: string;
  /** Number of the call; undefined for a message. */
  readonly call: number | undefined;
  readonly trusted: boolean;
  /** False: the value is too short to say that it came from there; it merely stands there as well, as a word of its own. */
  readonly proven: boolean;
  readonly private_to: Label['private_to'];
  /** Excerpt of the source around the value. */
  readonly text: string;
  /** Short values of the object that the text is a member of: of a mail its sender and its subject. The author of the text may have chosen them too. */
  readonly beside: readonly Beside[];
}
interface Beside {
  readonly name: string;
  readonly text: string;
}

/** A result or message that the run was given, and its source. */
interface Given extends Omit<Quote, 'path' | 'value' | 'text' | 'proven' | 'beside'> {
  readonly value: Json;
}

const ARGUMENTS = 32;
const PER_ARGUMENT = 2;
/** Shorter values stand everywhere. */
const SHORTEST_CHARS = 2;
const CONSTANTS: ReadonlySet<string> = new Set(['true', 'false', 'null', 'no', 'yes', 'on', 'off']);
const BESIDE = 6;
const BESIDE_CHARS = 200;
const VALUE_CHARS = 400;
const BEFORE_CHARS = 120;
const AFTER_CHARS = 240;
/** Amount of delivered text that is searched for one call. */
const SEARCHED_CHARS = 1024 * 1024;
/** Tokens with such a character (addresses, paths, numbers) are what an attacker would plant. */
const IDENTIFIER = /[@./\d-]/;

/** @param entries of the run, up to the call */
export function quotesOf(entries: readonly Entry[], decisions: ReadonlyMap<number, Decision>, input: Json): readonly Quote[] {
  const wanted = leavesOf(input, ARGUMENTS)
    .leaves.map(({ path, value }) => ({ path, said: String(value), folded: fold(String(value)).trim() }))
    .filter(({ folded }) => folded.length >= SHORTEST_CHARS && !CONSTANTS.has(folded));
  const found = new Map<string, Quote[]>();
  let left = SEARCHED_CHARS;
  for (const { value, ...given } of givenIn(entries, decisions)) {
    const { leaves } = leavesOf(value);
    for (const leaf of leaves) {
      const text = String(leaf.value);
      left -= text.length;
      if (left < 0) return [...found.values()].flat();
      const folded = fold(text);
      for (const { path, said, folded: argument } of wanted) {
        const quotes = found.get(path) ?? [];
        const at = quotes.length < PER_ARGUMENT ? placeOf(argument, folded) : -1;
        if (at >= 0)
          found.set(path, [
            ...quotes,
            {
              path,
              value: said.slice(0, VALUE_CHARS),
              ...given,
              proven: argument.length >= SHORTEST_TRACE_CHARS,
              text: around(text, folded.length === text.length ? at : 0),
              beside: besideOf(leaf, leaves),
            },
          ]);
      }
    }
  }
  return [...found.values()].flat();
}

/** Position of an argument in a text: of the whole argument, else of a token in it that looks like an identifier; -1 if neither occurs. */
function placeOf(argument: string, text: string): number {
  if (argument.length < SHORTEST_TRACE_CHARS) return wordOf(argument, text);
  const whole = text.indexOf(argument);
  if (whole >= 0) return whole;
  for (const one of tokens(argument, 64)) {
    const at = one.length >= SHORTEST_TRACE_CHARS && IDENTIFIER.test(one) ? text.indexOf(one) : -1;
    if (at >= 0) return at;
  }
  return -1;
}

/** Position of a short value that stands alone: 75 is neither in 1750 nor in 0.75. */
function wordOf(word: string, text: string): number {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const [before, after] = [text.slice(Math.max(0, at - 2), at), text.slice(at + word.length, at + word.length + 2)];
    if (!/[\p{L}\p{N}]$|\d[.,]$/u.test(before) && !/^[\p{L}\p{N}]|^[.,]\d/u.test(after)) return at;
  }
  return -1;
}

function around(text: string, at: number): string {
  const [from, to] = [Math.max(0, at - BEFORE_CHARS), Math.min(text.length, at + AFTER_CHARS)];
  return `${from > 0 ? '…' : ''}${text.slice(from, to).toWellFormed()}${to < text.length ? '…' : ''}`;
}

function besideOf(leaf: Leaf, leaves: readonly Leaf[]): Beside[] {
  if (leaf.record === 0) return [];
  return leaves
    .filter((other) => other !== leaf && other.record === leaf.record && String(other.value).length <= BESIDE_CHARS)
    .slice(0, BESIDE)
    .map(({ name, value }) => ({ name, text: String(value).toWellFormed() }));
}

function* givenIn(entries: readonly Entry[], decisions: ReadonlyMap<number, Decision>): Generator<Given> {
  for (const { delivery } of entries) {
    const parsed = delivery === undefined ? undefined : (JSON.parse(delivery) as PendingDelivery);
    if (parsed?.kind === 'message') yield { value: parsed.body, source: parsed.from.agent, call: undefined, ...knownOf(parsed.label) };
    if (parsed?.kind !== 'reply') continue;
    for (const result of parsed.results) {
      const decision = decisions.get(result.id);
      if (!('value' in result) || decision === undefined) continue;
      const { tool_facts: facts, tool, agent } = decision;
      const known =
        facts === undefined
          ? knownOf(parsed.label)
          : { trusted: facts.returns === 'trusted', private_to: facts.private_to === undefined ? [] : [facts.private_to] };
      const given = { value: result.value, source: tool ?? agent ?? 'another run', call: result.id, ...known };
      yield result.kept === undefined ? given : asKept(given, result.kept);
    }
  }
}

/** A kept value has the label that it was kept with, and its source says who wrote it. */
function asKept(given: Given, { label = WORST, by: [latest, ...others] }: Kept): Given {
  const { trusted, private_to } = knownOf(label);
  const from =
    label.influenced_by.length === 0
      ? ''
      : `, influenced by ${label.influenced_by[0] === '*' ? 'anybody' : label.influenced_by.join(', ')}`;
  const more = others.length === 0 ? '' : ` and ${others.length} other${others.length === 1 ? '' : 's'}`;
  const writer = latest === undefined ? '' : ` (written by call ${latest.call} of ${latest.run}, ${latest.agent}${more}${from})`;
  return { ...given, source: given.source + writer, trusted: given.trusted && trusted, private_to: unionOf(given.private_to, private_to) };
}

const knownOf = (label: Label | undefined) => ({ trusted: label?.sticky.untrusted_input !== true, private_to: label?.private_to ?? [] });

/** The original request of a person: the input of a run that somebody submitted, or a message to a service. */
export interface Order {
  readonly by: string;
  readonly input: Json;
  readonly private_to: Label['private_to'];
}

/** The message that a turn of a service handles. */
export function lastMessage(entries: readonly Entry[]): Order | undefined {
  for (const { delivery } of entries.toReversed()) {
    const parsed = delivery === undefined ? undefined : (JSON.parse(delivery) as PendingDelivery);
    if (parsed?.kind === 'message')
      return { by: parsed.from.principal ?? parsed.from.agent, input: parsed.body, private_to: parsed.label?.private_to ?? [] };
  }
  return undefined;
}
