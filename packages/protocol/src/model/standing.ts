/** An approval that holds for later calls of the same run, within what its person was shown. */
import type { Json } from '../json.ts';

/** The terms on which a person allows more than the call that they approve. */
export interface StandingTerms {
  /** `destination`: calls of the same shape to the same destination; `shape`: calls of the same shape. */
  readonly scope: 'destination' | 'shape';
  /** Further calls. */
  readonly uses: number;
  /** Amount of money of all further calls together, in units of the currency. Set if the tool moves money. */
  readonly amount?: number;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** The terms with what was shown; a later call that differs from it is asked about again. */
export interface StandingGrant extends StandingTerms {
  readonly tool: string;
  readonly shape: string;
  /** The values at the tool's destinations, as JSON. */
  readonly destination: string;
  readonly policy: string;
  readonly rules: readonly string[];
  readonly approvers: readonly string[];
  /** The flow of information in the run was known, so that the following says something. */
  readonly tracked: boolean;
  readonly unusual: readonly string[];
  readonly origins: readonly (readonly [string, string])[];
  readonly label: { readonly influenced_by: readonly string[]; readonly private_to: readonly string[] };
}
export interface StandingApproval extends StandingGrant {
  /** The call that was approved, and by whom. */
  readonly call: number;
  readonly by: string;
  readonly used: number;
  readonly spent: number;
}

/** Deeper parts of arguments, and more of them, do not count towards their shape: an agent chooses the arguments. */
const DEPTH = 6;
const PARTS = 500;

/** A text that is the same for calls of one agent to one tool whose arguments have the same names and types. */
export function shapeText(call: { readonly tenant: string; readonly agent: string; readonly tool: string; readonly input: Json }): string {
  let parts = 0;
  const typesOf = (value: Json, depth: number): unknown => {
    parts += 1;
    if (value === null) return 'null';
    if (typeof value !== 'object') return typeof value;
    if (depth >= DEPTH || parts > PARTS) return '…';
    // Lists of any length are of one shape if their items are.
    if (Array.isArray(value))
      return ['list', [...new Set(value.slice(0, PARTS).map((item) => JSON.stringify(typesOf(item, depth + 1))))].sort()];
    const names = Object.keys(value).sort().slice(0, PARTS);
    return names.map((name) => [name, typesOf((value as Readonly<Record<string, Json>>)[name] ?? null, depth + 1)]);
  };
  return JSON.stringify([call.tenant, call.agent, call.tool, typesOf(call.input, 0)]);
}

const DIGITS = 16;
/** @param digest of a text, which ends in hexadecimal digits */
export const shapeName = (digest: string): string => digest.slice(-DIGITS);
