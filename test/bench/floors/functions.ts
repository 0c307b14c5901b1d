/** The function of the benchmarks' worker tool: returns its input. */
export const echo = ({ input }: { input: unknown }): unknown => input;
