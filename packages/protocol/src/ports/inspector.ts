/**
 * The Inspector port: a classifier, a search for secrets, a firewall for generative applications. It says what a value holds, and
 * policies decide what follows. It is never the wall: an agent that hides a value well enough is not found, and grants, labels and
 * policies hold without it.
 */
import type { RunId, TenantId } from '../ids.ts';
import type { Json } from '../json.ts';
import type { Cost } from '../model/cost.ts';
import type { Finding, InspectedPlace } from '../model/inspection.ts';

/** A value on its way, and whose it is. */
export interface Inspection {
  readonly place: InspectedPlace;
  readonly tenant: TenantId;
  readonly run: RunId;
  readonly agent: string;
  /** Number of the effect in its run; 0 for the output. */
  readonly effect: number;
  /** `tool:fs.read`, `model:default`, `send:AGENT`, `spawn:AGENT`, `output`. */
  readonly target: string;
  readonly value: Json;
}

/** A stop that an inspector asks for: of the run, or of the version of its agent in its tenant. */
export interface InspectorWish {
  readonly what: 'pause' | 'quarantine';
  readonly reason: string;
}

export type InspectorAnswer =
  | { readonly kind: 'said'; readonly finding: Finding; readonly wish?: InspectorWish; readonly cost?: Cost }
  /** `why` ends a sentence, and holds nothing of the value. */
  | { readonly kind: 'missing'; readonly why: string; readonly cost?: Cost };

/** The options of every inspector, from the configuration. */
export interface InspectorOptions {
  readonly name: string;
  readonly on: readonly InspectedPlace[];
  /** Asked also where no policy looks at what it says. */
  readonly always: boolean;
  /** Milliseconds. */
  readonly timeout_ms: number;
}

export interface Inspector extends InspectorOptions {
  /** Asking costs something, so that it is not asked for a run whose accounts are overdrawn. */
  readonly costs?: true;
  /** The people whose private data it may be told; left out: it is not restricted. It is not asked about a run that has read others'. */
  readonly hears?: readonly string[];
  /**
   * Characters of the longest thing that it finds, in the form in which it is found: then it can look at an answer in parts while that
   * comes, and so much is held back. Left out: it looks at an answer once, when that is whole.
   */
  longest_chars?(): number;
  /**
   * Says at once what is in a value; undefined if that takes too long for the host's event loop.
   * @param whole says it however long that takes, because the effect cannot wait
   */
  atOnce?(value: Json, whole: boolean): Finding | undefined;
  /** Never rejects. */
  inspect(asked: Inspection, signal: AbortSignal): Promise<InspectorAnswer>;
  close?(): Promise<void>;
}

/** The principal under which an inspector acts. */
export const principalOf = (inspector: string): string => `inspector:${inspector}`;
