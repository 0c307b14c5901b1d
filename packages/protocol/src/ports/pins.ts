/**
 * Lists of tools that others declare (a server, a document), as a person accepted them. A tool whose declaration differs from the
 * accepted one is suspended until a person has reviewed the difference.
 */
import type { Json } from '../json.ts';

/** The declaration of one tool by its source. `says` is all that the tool is made from, and all that is compared. */
export interface Declaration {
  /** Name of the tool on the host, such as `crm.search`. */
  readonly name: string;
  readonly says: Json;
}

export interface ToolPin {
  /** `mcp:crm` */
  readonly source: string;
  /** `sha256:…` of the declarations in canonical JSON. */
  readonly digest: string;
  readonly tools: readonly Declaration[];
  /** The source needs this at its next start, such as the version of a protocol that was agreed on. */
  readonly known: Json;
  readonly by: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Where pins are kept. */
export interface ToolPins {
  get(source: string): ToolPin | undefined;
  /** It is durable on return. */
  put(pin: ToolPin): void;
}

/** A difference between what was accepted and what the source declares now. Text in it was written by the source. */
export interface ToolDifference {
  readonly tool: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** The members that differ, such as `inputSchema.properties.to`; of an added or removed tool, all of it under the path ``. */
  readonly members: readonly { readonly path: string; readonly before: Json; readonly now: Json }[];
}

/** The state of the pin of one source. */
export interface ToolReview {
  readonly source: string;
  /** Null: nothing was accepted yet. */
  readonly accepted: { readonly digest: string; readonly by: string; readonly at: number; readonly tools: number } | null;
  /** The list that the source declares now; null: it was not heard yet. */
  readonly offered: { readonly digest: string; readonly tools: number } | null;
  readonly differences: readonly ToolDifference[];
  /** Accounts of the source at which somebody has to sign in before its tools can be called. */
  readonly needs_login: readonly string[];
  /** Notes about the source itself, such as its last error; for operators. */
  readonly notes: readonly string[];
}

/** The pin of one source of a configuration. */
export interface PinnedSource {
  readonly source: string;
  review(): ToolReview;
  /**
   * The configuration of the source is in force: the first list is accepted in the name of who put it in force, and from now on the source
   * may be asked for its list at any time.
   * @returns what was accepted now; undefined: it was accepted before
   */
  inForce(by: string, at: number): ToolPin | undefined;
  /** Asks the source for its list now. Absent: it is never asked again. @throws why it has none */
  readonly ask?: (() => Promise<void>) | undefined;
  /**
   * A person accepts what is offered.
   * @param digest of the list that the person has seen
   * @throws CORRAL_TOOLS_CHANGED if another one is offered
   */
  accept(digest: string, by: string, at: number): ToolPin;
}
