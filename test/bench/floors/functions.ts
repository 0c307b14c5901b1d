/** What the worker tool of the benchmarks does: nothing. */
export const echo = ({ input }: { input: unknown }): unknown => input;
