/**
 * The answer to a reader in place of data whose confidentiality label does not allow them to read it (ARCHITECTURE.md, "Who may read what runs
 * hold"). The value itself is null or empty; beside it stands why, and how to ask for it.
 */
import * as z from 'zod';

export const Withheld = z
  .object({
    private_to: z.array(z.string()).describe('whose private data it may hold; a reader has to be all of these. `*`: too many to name'),
    why: z.string(),
    ask: z.string().describe('whom to ask for it, and how'),
  })
  .meta({ id: 'Withheld' });
export type Withheld = z.infer<typeof Withheld>;

export const withheld = Withheld.exactOptional().describe('why the content is left out; absent: it is all there');

/**
 * The header of a request by which an admin reads what a label withholds: its value is the reason, percent-encoded. The record of operations
 * has who read which run, and why.
 */
export const PRIVATE_REASON = 'corral-private-reason';

const named = (names: readonly string[]): string => {
  const [last = '', ...before] = names.toReversed();
  return before.length === 0 ? last : `${before.toReversed().join(', ')} and ${last}`;
};

/** @param names of a label, at least one @param reader the one who may not read it */
export function withheldFrom(names: readonly string[], reader: string): Withheld {
  const many = names.includes('*');
  const whose = many ? 'more people than a label can name' : named(names);
  const missing = `and ${reader} is not ${names.length === 1 ? 'that' : 'all of these'}`;
  return {
    private_to: [...names],
    why: `It is private to ${whose}, ${many ? `so ${reader} may not read it` : missing}.`,
    ask: `${many ? 'Ask an admin' : `Ask ${whose}, or an admin`}, who reads it with a reason that is recorded: \`--private-reason WHY\` of \`corral\`, or the header \`${PRIVATE_REASON}\`.`,
  };
}

/** For what policies have stopped on its way to people. */
export const stoppedBy = (rules: readonly string[]): Withheld => ({
  private_to: [],
  why:
    rules.length === 0 ? 'The policies of the tenant have stopped it.' : `The policies of the tenant have stopped it, by ${named(rules)}.`,
  ask: `Ask who writes these policies, or an admin, who reads it with a reason that is recorded: \`--private-reason WHY\` of \`corral\`, or the header \`${PRIVATE_REASON}\`.`,
});
