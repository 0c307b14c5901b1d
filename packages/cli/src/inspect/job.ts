/**
 * The input of the debugged process. This module imports no other of Corral, so that Node's permissions can allow the process
 * almost no files.
 */
export interface InspectJob {
  readonly prelude: string;
  readonly parts: Readonly<Record<string, string>>;
  /** Numbers by which the prelude's function is told to deliver and to collect. */
  readonly deliver: number;
  readonly collect: number;
  readonly segments: readonly InspectSegment[];
}

export interface InspectSegment {
  /** PreludeConfig as JSON. */
  readonly config: string;
  /** The bundle, with its source map. */
  readonly source: string;
  /** Its file name in the debugger. */
  readonly filename: string;
  readonly cranks: readonly {
    readonly crank: number;
    readonly delivery: string;
    /** Undefined: the crank did not return. */
    readonly effects: string | undefined;
    /** The delivery in readable form. */
    readonly title: string;
  }[];
}
