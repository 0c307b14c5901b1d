/** Narrows an agent's capabilities for its submitter, by the same rules by which agents narrow capabilities that they pass on. */
import { Grants } from '@corral/policy/capability/grants';
import { CorralError } from '@corral/protocol/errors';
import { Attenuation, type Grant } from '@corral/protocol/model/grant';
import type { AgentManifest } from '@corral/protocol/model/manifest';

/** Terms by alias, as the agent's `uses` names them. */
export type Narrowings = Readonly<Record<string, Attenuation>>;

/**
 * @param grants of the submitter, unchecked
 * @throws CORRAL_USAGE if an alias is not in the agent's `uses`, or its terms do not fit the schema
 */
export function checkNarrowings({ name, uses }: AgentManifest, grants: unknown): Narrowings {
  if (grants === undefined) return {};
  if (typeof grants !== 'object' || grants === null) throw new CorralError('CORRAL_USAGE', 'The grants of the job are not an object.');
  return Object.fromEntries(
    Object.entries(grants).map(([alias, terms]) => {
      if (!Object.hasOwn(uses, alias)) {
        const known = Object.keys(uses);
        const uses_text = known.length === 0 ? 'it uses nothing' : `it uses ${known.join(', ')}`;
        throw new CorralError('CORRAL_USAGE', `${name} uses no capability called ${alias.slice(0, 100)}; ${uses_text}.`);
      }
      const parsed = Attenuation.safeParse(terms);
      if (parsed.success) return [alias, parsed.data];
      const [issue] = parsed.error.issues;
      const path = [alias, ...(issue?.path ?? [])].join('.').slice(0, 200);
      throw new CorralError('CORRAL_USAGE', `The grants of the job were refused: ${path}: ${(issue?.message ?? 'invalid').slice(0, 300)}.`);
    }),
  );
}

/**
 * A root grant with these terms added and nothing else changed.
 * @throws CORRAL_USAGE if the terms are too large
 */
export function narrowed(root: Grant, terms: Attenuation, now: number): Grant {
  const scratch = new Grants();
  scratch.add(root);
  const made = scratch.derive(root.id, root.id, root.holder, terms, now);
  if ('code' in made) throw new CorralError('CORRAL_USAGE', `The grants of the job were refused: ${made.message}`);
  return { ...made, parent: undefined, depth: 0 };
}
