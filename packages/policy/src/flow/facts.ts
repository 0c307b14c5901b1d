/**
 * What a policy may ask about the flow of information into one call: facts, not verdicts. Made from the run's label, its
 * provenance index, the tool's annotations and a little history; read by Cedar as `context.flow` and by decide.ts, which says
 * the same in TypeScript.
 */
import type { Json } from '@corral/protocol/json';
import type { ToolAnnotations } from '@corral/protocol/tool';
import { HandledArguments, type Handled } from './handled.ts';
import { leavesOf, namedAlike } from './leaves.ts';
import { requested, type Deed, type Request, type Requested } from './intent.ts';
import type { Sticky } from './labels.ts';
import type { Origin, Provenance, Trace } from './provenance.ts';

/**
 * - `none`: it reads what is the principal's or the host's, or asks a model. - `fetch`: it changes nothing and reaches beyond this
 * host, so that only the address it is given can carry something out. - `change`: it changes something somewhere.
 */
export type Effect = 'none' | 'fetch' | 'change';

/** The effect of a tool by what it says of itself. */
export function effectOf({ readOnly, openWorld, repeatable }: ToolAnnotations): Effect {
  if (repeatable) return 'none';
  if (!readOnly) return 'change';
  return openWorld ? 'fetch' : 'none';
}

/** What is known of a tool, from its annotations. */
export interface FlowTool {
  readonly name: string;
  /** Only calls with an effect are judged. See Effect. */
  readonly effect: Effect;
  /** Parameters that say where data or money goes. Empty for a tool that has none. */
  readonly destinations: readonly string[];
  readonly deed: Deed;
  /** The parameter that says how much money it moves. */
  readonly money?: string;
}

/** What is known of a run before the call. */
export interface FlowState {
  readonly sticky: Sticky;
  readonly provenance: Provenance;
  readonly request: Request;
  /** Destinations this agent has reached before, in any run. */
  readonly known_destination: (destination: string) => boolean;
}

/** What else is out of the ordinary about a call, known from history. */
export interface CallHistory {
  /** This version of the agent has never used this tool. */
  readonly first_use: boolean;
  /** It moves more money than this agent ever moved with one call. */
  readonly amount_above_history: boolean;
}

/** The record that policies read. All members are always there, so that no policy can stumble over a missing one. Names and values are part of the policy interface. */
export interface FlowFacts {
  readonly effect: Effect;
  /** Sticky: something a stranger may have written was read before this call. */
  readonly untrusted_input: boolean;
  /** And so a stranger may have chosen an argument: one is neither the principal's nor a trusted tool's. True too when one is in a handle. */
  readonly untrusted_influence: boolean;
  /** Sticky: private data was read before this call. */
  readonly private_data: boolean;
  /** Sticky: an outside effect was made before this call. */
  readonly outside_effect: boolean;
  /** Arguments that are no destination carry words or identifiers of private results. */
  readonly carries_private: boolean;
  /** Worst origin among the destinations given; `none` without any. From best to worst: user, trusted, selected, quoted, model, untrusted. */
  readonly destination_origin: Origin | 'none';
  /** Worst origin among all other arguments; `none` without any. */
  readonly argument_origin: Origin | 'none';
  /** An argument that is no destination carries an address, link or account that stands in untrusted text only, or is a code that stands nowhere. */
  readonly foreign_identifier: boolean;
  /** One of those that stand in untrusted text is a link or a mail address, and the principal said nothing of links. */
  readonly unasked_link: boolean;
  /** A destination, the amount, or anything at all for a tool that names no destination, is in a handle whose content a stranger may have written. */
  readonly steered_by_handle: boolean;
  /** Every destination given stands somewhere as it is, so that it cannot have been made to carry something. True without any. */
  readonly destination_literal: boolean;
  /** Whether the principal asked for this kind of effect. */
  readonly requested: Requested;
  /** One of the destinations was never reached before by this agent. */
  readonly first_time_destination: boolean;
  /** For people who decide: what is out of the ordinary, in words of UNUSUAL. Sorted, distinct. */
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

/** Facts, and where each argument came from, for the decision record and for whoever is asked. */
export interface Flow {
  readonly facts: FlowFacts;
  readonly traces: readonly (Trace & { readonly path: string })[];
}

/** Whether a leaf stands at a parameter or below it; a dot in a parameter's name reaches into objects. */
function isBelow(path: string, parameter: string): boolean {
  const plain = path.replace(/\[\d+\]/g, '');
  return plain === parameter || plain.startsWith(`${parameter}.`);
}

const WORSE: readonly Origin[] = ['user', 'trusted', 'selected', 'quoted', 'model', 'untrusted'];
const worst = (a: Origin | 'none', b: Origin): Origin => (a === 'none' || WORSE.indexOf(b) > WORSE.indexOf(a) ? b : a);

/** Handles in the arguments of a call, and the arguments with their values put in, before the tool's schema has had them. */
export interface InHandles {
  readonly slots: readonly Handled[];
  readonly given: Json;
}

/** The facts of one call. Pure; bounded by the bounds of leaves and provenance. */
export function flowOf(state: FlowState, tool: FlowTool, args: Json, history: CallHistory, inHandles?: InHandles): Flow {
  const handled = inHandles === undefined ? undefined : new HandledArguments(inHandles.slots, inHandles.given);
  const { leaves, complete } = leavesOf(args);
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
    const trace =
      inside === undefined
        ? state.provenance.trace(leaf.value, leaf.name === parameter ? parameter : leaf.name)
        : state.provenance.handled(leaf.value, inside);
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
  if (!complete) {
    // What was not looked at is taken for the worst it can be.
    if (tool.destinations.length > 0) destination = 'untrusted';
    argument = 'untrusted';
    foreign = true;
    link = true;
    literal = false;
  }
  const asked = requested(state.request, tool.deed);
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
    requested: asked,
    first_time_destination: firstTime,
  };
  const marks: Record<Unusual, boolean> = {
    amount_above_history: history.amount_above_history,
    argument_from_untrusted_text: argument === 'untrusted',
    destination_from_untrusted_text: destination === 'untrusted',
    destination_of_no_known_origin: destination === 'model',
    first_time_destination: firstTime,
    first_use_of_tool: history.first_use,
    link_or_address_from_untrusted_text: foreign,
    not_asked_for: tool.effect === 'change' && asked === 'no',
    private_data_in_arguments: carriesPrivate,
    steered_by_handle: steered,
  };
  return { facts: { ...facts, unusual: UNUSUAL.filter((one) => marks[one]) }, traces };
}
