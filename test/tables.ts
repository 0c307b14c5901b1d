/** Tables of tests whose rows cost a host or a cell each: `npm test` has some of them, and the others are long. */
import { test } from 'vitest';

/** The members of a row, as a function is given them. */
type Of<Row> = Row extends readonly [...infer Members] ? Members : never;

/**
 * `test.each` of rows whose first member is their name.
 * @param short the names of those that `npm test` has
 * @throws for a name that no row has
 */
export function eachOrLong<Row extends readonly [string, ...unknown[]]>(rows: readonly Row[], short: readonly string[]) {
  const strays = short.filter((name) => !rows.some(([row]) => row === name));
  if (strays.length > 0) throw new Error(`There is no row ${strays.join(', ')}.`);
  return (title: string, body: (...row: Of<Row>) => Promise<void>): void => {
    const all = rows.map((row): [string, ...unknown[]] => [...row]);
    const run = (...row: unknown[]) => body(...(row as Of<Row>));
    // oxlint-disable-next-line vitest/valid-title, vitest/expect-expect -- both are given
    test.each(all.filter(([name]) => short.includes(name)))(title, run);
    // oxlint-disable-next-line vitest/valid-title, vitest/expect-expect -- both are given
    test.each(all.filter(([name]) => !short.includes(name)))(title, { tags: 'long' }, run);
  };
}
