/**
 * The facts of information flow into one call, without a verdict. Made from the run's label, its provenance index, the tool's
 * annotations and a little history; read by Cedar as `context.flow` and by decide.ts, which has the same rules in TypeScript.
 */
import type { Json } from '@corral/protocol/json';
import type { Label, Names } from '@corral/protocol/model/label';
import type { ToolAnnotations } from '@corral/protocol/ports/tool';
import { HandledArguments, type Handled } from './handled.ts';
import { isTelling, LEAVES_MAX, namedAlike, textsOf, type Leaf } from './leaves.ts';
import { requested, type Deed, type Request, type Requested } from './intent.ts';
import type { Sticky } from './labels.ts';
import type { Provenance } from './provenance.ts';
import { SAID_LEAVES, type Said } from './said.ts';
import type { Origin, Trace } from './trace.ts';

/**
 * - `none`: it reads data of the principal or the host, or asks a model. - `fetch`: it changes nothing and reaches beyond this
 * host, so that only its address can carry data out. - `change`: it changes something somewhere.
 */
export type Effect = 'none' | 'fetch' | 'change';

/** The effect of a tool by its annotations. */
export function effectOf({ readOnly, openWorld, repeatable }: ToolAnnotations): Effect {
  if (repeatable) return 'none';
  if (!readOnly) return 'change';
  return openWorld ? 'fetch' : 'none';
}

/** Facts about a tool from its annotations. */
export interface FlowTool {
  readonly name: string;
  /** Only calls with an effect are restricted. See Effect. */
  readonly effect: Effect;
  /** Parameters that say where data or money goes. Empty if the tool has none. */
  readonly destinations: readonly string[];
  readonly deed: Deed;
  /** The parameter that holds how much money it moves. */
  readonly money?: string;
  /** It is a model, which gets the same texts again with each call. */
  readonly model?: true;
  /** Names of members that its schema gives; in others an agent can write text. Undefined: it has no schema. */
  readonly names?: ReadonlySet<string>;
}

/** Facts about a run before the call. */
export interface FlowState {
  readonly sticky: Sticky;
  readonly provenance: Provenance;
  /** Texts of earlier calls of models. */
  readonly said: Said;
  readonly request: Request;
  /** Destinations that this agent has reached before, in any run. */
  readonly known_destination: (destination: string) => boolean;
}

/** Unusual facts about a call from history. */
export interface CallHistory {
  /** This version of the agent has never used this tool. */
  readonly first_use: boolean;
  /** It moves more money than this agent ever moved with one call. */
  readonly amount_above_history: boolean;
}

/**
 * The record that policies read. All members are always present, so that no policy fails because of a missing one. Names and
 * values are part of the policy interface.
 */
export interface FlowFacts {
  readonly effect: Effect;
  /** Sticky: text that a stranger may have written was read before this call. */
  readonly untrusted_input: boolean;
  /**
   * A stranger may have chosen an argument: text of strangers was read, and an argument is neither the principal's nor a trusted
   * tool's. Also true if an argument is in a handle.
   */
  readonly untrusted_influence: boolean;
  /** Sticky: private data was read before this call. */
  readonly private_data: boolean;
  /** Sticky: an outside effect was made before this call. */
  readonly outside_effect: boolean;
  /** Arguments that are not destinations carry words or identifiers of private results. */
  readonly carries_private: boolean;
  /**
   * Least trusted origin of the destinations; `none` without any. From most to least trusted: user, trusted, selected, quoted,
   * model, untrusted.
   */
  readonly destination_origin: Origin | 'none';
  /** Least trusted origin of all other arguments; `none` without any. */
  readonly argument_origin: Origin | 'none';
  /**
   * An argument that is not a destination carries an address, link or account that occurs only in untrusted text, or is a code
   * that occurs nowhere.
   */
  readonly foreign_identifier: boolean;
  /** One of those in untrusted text is a link or a mail address, and the principal did not mention links. */
  readonly unasked_link: boolean;
  /**
   * A destination, the amount, or anything at all for a tool that names no destination, is in a handle whose content a stranger
   * may have written.
   */
  readonly steered_by_handle: boolean;
  /** Every destination occurs somewhere unchanged, so it cannot have been built to carry data. True without any. */
  readonly destination_literal: boolean;
  /** Whether the principal asked for this kind of effect. */
  readonly requested: Requested;
  /** One of the destinations was never reached by this agent before. */
  readonly first_time_destination: boolean;
  /** For people who decide: unusual facts, in words of UNUSUAL. Sorted, distinct. */
  readonly unusual: readonly Unusual[];
}

export const UNUSUAL = [
  'amount_above_history',
  'argument_from_untrusted_text',
  'destination_from_untrusted_text',
  'destination_of_no_known_origin',
  'first_time_destination',
  'first_use_of_tool',
  'link_or_address_from_untrusted_text',
  'not_asked_for',
  'private_data_in_arguments',
  'steered_by_handle',
] as const;
export type Unusual = (typeof UNUSUAL)[number];

/** Facts, and the origin of each argument, for the decision record and for approvers. */
export interface Flow {
  readonly facts: FlowFacts;
  readonly traces: readonly (Trace & { readonly path: string })[];
  /** Those whose text the run had read by then. */
  readonly influenced_by?: Names;
}

/** Whether a leaf is at a parameter or below it; a dot in a parameter's name reaches into objects. */
function isBelow(path: string, parameter: string): boolean {
  const plain = path.replace(/\[\d+\]/g, '');
  return plain === parameter || plain.startsWith(`${parameter}.`);
}

/** From the most to the least trusted. */
export const WORSE: readonly Origin[] = ['user', 'trusted', 'selected', 'quoted', 'model', 'untrusted'];
const worst = (a: Origin | 'none', b: Origin): Origin => (a === 'none' || WORSE.indexOf(b) > WORSE.indexOf(a) ? b : a);

/** Handles in the arguments of a call, and the arguments with their values put in, before the tool's schema is applied. */
export interface InHandles {
  readonly slots: readonly Handled[];
  readonly given: Json;
}

/** @param inside the label of the handle that the value is in, if it is in one */
function traceOf({ provenance, said }: FlowState, tool: FlowTool, value: string | number, name: string, inside: Label | undefined): Trace {
  if (inside !== undefined) return provenance.handled(value, inside);
  return tool.model === true && typeof value === 'string' ? said.trace(provenance, value, name) : provenance.trace(value, name);
}

/** Whether a member's name is one that an agent can write text in. A schema without names takes any. */
const isFree = ({ names }: FlowTool): ((name: string) => boolean) =>
  names === undefined || names.size === 0 ? isTelling : (name) => !names.has(name);

/** Those names of members that carry private or untrusted text. */
function* tracedNames(
  state: FlowState,
  tool: FlowTool,
  names: readonly Leaf[],
  handled: HandledArguments | undefined,
): Generator<{ readonly path: string; readonly trace: Trace }> {
  for (const { path, value } of names) {
    const inside = handled?.within(path);
    const trace = traceOf(state, tool, value, '', inside);
    if (trace.private || trace.origin === 'untrusted') yield { path, trace };
  }
}

/** The facts of one call. Pure; its cost is limited by the limits of leaves and provenance. */
export function flowOf(state: FlowState, tool: FlowTool, args: Json, history: CallHistory, inHandles?: InHandles): Flow {
  const handled = inHandles === undefined ? undefined : new HandledArguments(inHandles.slots, inHandles.given);
  const { leaves, names, complete } = textsOf(args, isFree(tool), tool.model === true ? SAID_LEAVES : LEAVES_MAX);
  const traces: (Trace & { path: string })[] = [];
  let destination: Origin | 'none' = 'none';
  let argument: Origin | 'none' = 'none';
  let carriesPrivate = false;
  let foreign = false;
  let link = false;
  let literal = true;
  let firstTime = false;
  let steered = handled?.steers(tool) ?? false;
  for (const leaf of leaves) {
    const parameter = /^[^.[]*/.exec(leaf.path)?.[0] ?? '';
    const inside = handled?.at(leaf);
    const trace = traceOf(state, tool, leaf.value, leaf.name, inside);
    if (inside?.sticky.untrusted_input === true && parameter === tool.money) steered ||= tool.effect !== 'none';
    traces.push({ path: leaf.path, ...trace });
    if (tool.destinations.some((one) => isBelow(leaf.path, one) || namedAlike(one, parameter))) {
      destination = worst(destination, trace.origin);
      steered ||= inside?.sticky.untrusted_input === true && tool.effect !== 'none';
      literal &&= trace.found === 'phrase' || trace.found === 'token' || trace.found === 'field';
      firstTime ||= !state.known_destination(String(leaf.value));
    } else {
      argument = worst(argument, trace.origin);
      carriesPrivate ||= trace.private;
      foreign ||= trace.foreign_identifier;
      link ||= trace.foreign_link;
    }
  }
  for (const { path, trace } of tracedNames(state, tool, names, handled)) {
    traces.push({ path, ...trace });
    if (tool.destinations.some((one) => isBelow(path, one))) {
      destination = worst(destination, trace.origin);
      literal = false;
    } else {
      argument = worst(argument, trace.origin);
      carriesPrivate ||= trace.private;
      foreign ||= trace.foreign_identifier;
      link ||= trace.foreign_link;
    }
  }
  if (!complete) {
    // Leaves that were not examined count as the worst case.
    carriesPrivate ||= state.sticky.private_data || state.provenance.anyPrivate;
    if (tool.destinations.length > 0) destination = 'untrusted';
    argument = 'untrusted';
    foreign = true;
    link = true;
    literal = false;
  }
  const facts = {
    effect: tool.effect,
    untrusted_input: state.sticky.untrusted_input,
    untrusted_influence:
      (state.sticky.untrusted_input || handled?.label.sticky.untrusted_input === true) &&
      [destination, argument].some((one) => WORSE.indexOf(one as Origin) >= 2),
    private_data: state.sticky.private_data,
    outside_effect: state.sticky.outside_effect,
    carries_private: carriesPrivate,
    destination_origin: destination,
    argument_origin: argument,
    foreign_identifier: foreign,
    unasked_link: link && !state.request.links,
    steered_by_handle: steered,
    destination_literal: literal,
    requested: requested(state.request, tool.deed),
    first_time_destination: firstTime,
  };
  return { facts: { ...facts, unusual: unusualOf(facts, history) }, traces };
}

/** The facts of a call that a person who decides about it is shown. */
function unusualOf(facts: Omit<FlowFacts, 'unusual'>, history: CallHistory): Unusual[] {
  const marks: Record<Unusual, boolean> = {
    amount_above_history: history.amount_above_history,
    argument_from_untrusted_text: facts.argument_origin === 'untrusted',
    destination_from_untrusted_text: facts.destination_origin === 'untrusted',
    destination_of_no_known_origin: facts.destination_origin === 'model',
    first_time_destination: facts.first_time_destination,
    first_use_of_tool: history.first_use,
    link_or_address_from_untrusted_text: facts.foreign_identifier,
    not_asked_for: facts.effect === 'change' && facts.requested === 'no',
    private_data_in_arguments: facts.carries_private,
    steered_by_handle: facts.steered_by_handle,
  };
  return UNUSUAL.filter((one) => marks[one]);
}
