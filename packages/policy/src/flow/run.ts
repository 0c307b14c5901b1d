/**
 * Information flow of one run on the bus: its label, its provenance index, and what its principal asked for. A fold over the
 * journal: the same deliveries in the same order give the same state, so it is rebuilt and not stored.
 */
import type { ToolFacts } from '@corral/protocol/model/decision';
import type { Json } from '@corral/protocol/json';
import { flowOf, type CallHistory, type Flow, type FlowTool, type InHandles } from './facts.ts';
import { requestOf, type Request } from './intent.ts';
import { afterOutsideEffect, CLEAN, flowsTo, join, labelOf, type Label, type LabelChange } from './labels.ts';
import { leavesOf } from './leaves.ts';
import { Provenance } from './provenance.ts';
import { Said } from './said.ts';

export interface Returned {
  /** Number of the call in its run. */
  readonly call: number;
  readonly tool: FlowTool;
  /** The tool's annotation of its results: whether a stranger may have written them, or a model made them up. */
  readonly returns: ToolFacts['returns'];
  /** Name of the person whose private data the result may hold; undefined for public data. */
  readonly private_to?: string;
  readonly args: Json;
  /** The name of its writer in labels; undefined: the tool. */
  readonly source?: string;
  /** The result is some parts of a stream. None of them is a field that the principal could have chosen. */
  readonly pieces?: boolean;
  /** The fields of an untrusted result that its system writes itself. They count for the origins of arguments, and not for the label. */
  readonly trusted_fields?: readonly string[] | undefined;
  /** The label that a tool kept the result with; whoever wrote it may have chosen each of its fields. */
  readonly kept?: Label;
}

export class FlowRun {
  readonly provenance: Provenance;
  readonly #said: Said;
  #label: Label;
  #request: Request;
  #raised = 0;
  /** The one that this is a draft of. */
  #of: FlowRun | undefined;

  /**
   * @param words the principal's words: the run's input
   * @param label of the state the run goes on from; CLEAN for a new one
   * @param past `unknown` if the results behind that label are not available
   * @param of the one that this is a draft of; everything is taken from there
   */
  constructor(words: Json, label: Label = CLEAN, past: 'none' | 'unknown' = 'none', of?: FlowRun) {
    this.#of = of;
    if (of !== undefined) {
      this.provenance = of.provenance;
      this.#said = of.#said;
      this.#label = of.#label;
      this.#request = of.#request;
      this.#raised = of.#raised;
      this.provenance.begin();
      this.#said.begin();
      return;
    }
    this.provenance = new Provenance(past);
    this.#said = new Said();
    this.#label = label;
    this.provenance.user(words);
    this.#request = requestOf(textOf(words));
  }

  /**
   * Another one that goes on from here; this one keeps its label. The index of what was read is too large to be copied, so both have
   * the same one: nobody asks this one where something came from before the draft is adopted or dropped.
   */
  draft(): FlowRun {
    return new FlowRun(null, CLEAN, 'none', this);
  }

  /** The draft takes the place of its origin. */
  adopted(): void {
    if (this.#of !== undefined) {
      this.provenance.keep();
      this.#said.keep();
    }
    this.#of = undefined;
  }

  /** The draft is forgotten; its origin is as it was. */
  dropped(): void {
    if (this.#of !== undefined) {
      this.provenance.undo();
      this.#said.undo();
    }
    this.#of = undefined;
  }

  /** Approximate bytes in memory. */
  get bytes(): number {
    return this.provenance.bytes + this.#said.bytes;
  }

  /** Looks up the texts of a call of a model, which is decided next, some at a time. */
  look(input: Json): Generator<void> {
    return this.#said.look(this.provenance, input);
  }

  /** A call of a model was decided. */
  say(input: Json): void {
    this.#said.say(this.provenance, input);
  }

  get label(): Label {
    return this.#label;
  }

  /**
   * How often a value with a label other than CLEAN was read: an owner who lowers the label vouches only for what was known when
   * they were asked.
   */
  get raised(): number {
    return this.#raised;
  }

  /** The facts of a call about to be made. */
  flow(tool: FlowTool, args: Json, history: CallHistory, known_destination: (destination: string) => boolean, inHandles?: InHandles): Flow {
    const { sticky, influenced_by } = this.#label;
    const state = { sticky, provenance: this.provenance, said: this.#said, request: this.#request, known_destination };
    return { ...flowOf(state, tool, args, history, inHandles), influenced_by };
  }

  /** A call's result became known to the agent: read, not merely held as a handle. */
  read(of: Returned, result: Json): void {
    const { call, tool, returns, private_to, args, pieces, kept = CLEAN, source = tool.name, trusted_fields } = of;
    // A model's answer has the label of its prompt, which the run has already. Words that it repeats are found where they came from.
    if (returns === 'model') {
      if (private_to !== undefined) this.raise(labelOf(tool.name, { untrusted: false, private_to }));
      return;
    }
    const own = labelOf(source, { untrusted: returns !== 'trusted', ...(private_to === undefined ? {} : { private_to }) });
    const label = join(own, kept);
    const { untrusted_input, private_data } = label.sticky;
    const suspect = pieces === true || of.kept !== undefined ? { suspect: true as const } : {};
    const by = [source, ...kept.influenced_by];
    this.provenance.result(
      { call, tool: tool.name, by, trusted: !untrusted_input, private: private_data, args, ...suspect, trusted_fields },
      result,
    );
    this.raise(label);
    if (tool.effect !== 'none') this.#label = afterOutsideEffect(this.#label);
  }

  /** A call's result came as a handle: the call had its effect, and the content of the result is unknown to the run. */
  held({ tool, args }: Pick<Returned, 'tool' | 'args'>): void {
    this.provenance.use(args);
    if (tool.effect !== 'none') this.#label = afterOutsideEffect(this.#label);
  }

  /** The value of a handle was read. @param call number of the effect that opened it */
  opened(call: number, source: string, label: Label, value: Json): void {
    this.raise(label);
    const { untrusted_input, private_data } = label.sticky;
    const by = label.influenced_by;
    this.provenance.result({ call, tool: source, by, trusted: !untrusted_input, private: private_data, args: {}, suspect: true }, value);
  }

  /** Raises the label by a value that arrived in another way: a message, an opened handle, the state of a checkpoint. */
  raise(label: Label): void {
    if (!flowsTo(label, CLEAN)) this.#raised += 1;
    this.#label = join(this.#label, label);
  }

  /** An owner lowered the label of the run itself. */
  relabel({ after }: LabelChange): void {
    this.#label = after;
  }

  /** An owner lowered the label of a value, and the run reads it. */
  vouched(call: number, { kind, after }: LabelChange, value: Json): void {
    this.opened(call, kind, after, value);
    if (kind === 'endorse') this.provenance.endorsed(value);
    else this.provenance.declassified(value);
  }
}

/** The words of an input as one text; numbers ask for nothing. */
function textOf(words: Json): string {
  return leavesOf(words)
    .leaves.filter((leaf) => typeof leaf.value === 'string')
    .map((leaf) => leaf.value)
    .join('\n');
}
