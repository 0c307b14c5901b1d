/** What the process that is debugged is told; it imports nothing of ours, so that it may be allowed to read next to nothing. */
export interface InspectJob {
  readonly prelude: string;
  readonly parts: Readonly<Record<string, string>>;
  /** How the prelude's function is asked to deliver and to collect. */
  readonly deliver: number;
  readonly collect: number;
  readonly segments: readonly InspectSegment[];
}

export interface InspectSegment {
  /** PreludeConfig as JSON. */
  readonly config: string;
  /** The bundle, its source map with it. */
  readonly source: string;
  /** What a debugger calls it. */
  readonly filename: string;
  readonly cranks: readonly {
    readonly crank: number;
    readonly delivery: string;
    /** Undefined: the crank never came back. */
    readonly effects: string | undefined;
    /** The delivery as people read it. */
    readonly title: string;
  }[];
}
