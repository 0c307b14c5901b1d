/** The types of a run’s index of origins: what it records, what it answers about an argument, and its limits. */
import type { Json } from '@corral/protocol/json';
import type { StoodIn } from '@corral/protocol/model/decision';

/** Limits of one index. With three Bloom filters of at most 171 KiB each, this is about 2 MiB for a run that uses them all. */
export const PROVENANCE = {
  /** Characters of the principal's words that are kept as text. */
  user_chars: 64 * 1024,
  trusted_values: 8192,
  /** Identifiers and whole fields of untrusted results that are kept one by one. */
  untrusted_values: 8192,
  /** Characters of one result; if it is longer, the index counts as full. */
  result_chars: 256 * 1024,
  /** Characters of one argument leaf; of a longer one, the beginning and the end are used. */
  argument_chars: 16 * 1024,
  tokens: 4096,
} as const;

/**
 * - `user`: occurs in the principal's words.
 * - `trusted`: occurs in a result of a trusted tool, or in a field of another one that its system writes itself and in no stranger's text, and was
 * not merely echoed there from an argument of another origin.
 * - `selected`: a whole field of a record in an untrusted result (or an item of a bare list), under the same name or role, of a
 * record that the principal's words chose, or a plain name that refers to nothing outside; never an identifier that also occurs
 * in a stranger's prose.
 * - `quoted`: words, without identifiers, from an untrusted result that the principal referred to by its file name, address or
 * link.
 * - `untrusted`: occurs, perhaps re-encoded, in an untrusted result.
 * - `model`: found nowhere: made up, computed, reworded, or too short to tell.
 */
export type Origin = 'user' | 'trusted' | 'selected' | 'quoted' | 'model' | 'untrusted';

export interface Trace {
  readonly origin: Origin;
  /** How it was recognised; `full` if it is untrusted only because the index is full, `handle` if it was never read. */
  readonly found: 'phrase' | 'token' | 'field' | 'span' | 'decoded' | 'full' | 'handle' | 'nothing';
  /** It has words or identifiers of a private result. */
  readonly private: boolean;
  /**
   * It has an address, link, account or the like that occurs in untrusted results and not in the principal's words; or it is a
   * code that occurs nowhere.
   */
  readonly foreign_identifier: boolean;
  /** One of those is a link or a mail address. */
  readonly foreign_link: boolean;
  /** Where it stood, if that is known. */
  readonly place?: StoodIn;
}

export interface ResultOf {
  /** Number of the call in its run. */
  readonly call: number;
  /** Name of the tool, which names the items of a bare list: `get_channels` gives channels. */
  readonly tool: string;
  readonly trusted: boolean;
  readonly private: boolean;
  /** The arguments it was called with. */
  readonly args: Json;
  /** Those who may have written it, if that is not the tool. */
  readonly by?: readonly string[];
  /** How it was found is unknown, so nothing in it counts as asked for by the principal. */
  readonly suspect?: true;
  /** The fields of an untrusted result that its system writes itself (`FieldPaths`). */
  readonly trusted_fields?: readonly string[] | undefined;
}
