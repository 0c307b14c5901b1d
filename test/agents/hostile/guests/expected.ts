/** The expectation that each guest of the scoreboard carries in its own file: precise enough to be wrong. */
export interface Expected {
  /**
   * Outcome as `corral show` words it: `exceeded(cpu)`, `failed(CORRAL_JSON_UNSUPPORTED)`. Several where the machine decides which of
   * them comes first; the file then says why.
   */
  readonly ends: string | readonly string[];
  /** Outcomes that its children, and theirs, may have; left out: it has none. */
  readonly children?: readonly string[];
  /** Result of a run that completes, by which it shows that it got nothing. */
  readonly output?: unknown;
  /** The ceiling of the one crank that it never ends, or of its wall time: the time past it is measured. */
  readonly limit?: { readonly cpu_ms: number } | { readonly wall_ms: number };
  /** Its heap ceiling, where it has another than the default of 64. */
  readonly memory_mib?: number;
  /** Members of its input: whole numbers between two bounds, drawn by the seed. */
  readonly vary?: Readonly<Record<string, readonly [number, number]>>;
  /** It does its harm while it is deployed; the code with which the deploy is refused. */
  readonly deploy?: string;
  /** Deploys, or runs, at once. */
  readonly at_once?: number;
  /** Submitted in the tenant that has the default policies. */
  readonly ruled?: true;
}
