/** Options of an evaluation, and its result. */
export interface EvalOptions {
  /** Folder of the recorded runs. */
  readonly data: string | undefined;
  /** Folder for plots. */
  readonly plots: string | undefined;
}
/** The result of an evaluation, as JSON and as text for people. */
export interface Measured {
  readonly json: unknown;
  readonly text: string;
}
