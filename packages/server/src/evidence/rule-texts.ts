/**
 * The texts of rules: of any by its id, and of those by which people are asked, for those whom they ask; of policies in force as they were loaded,
 * of older ones from the archive of what was in force.
 */
import type { LoadedPolicy } from '@corral/policy/cedar/policy-set';
import { split, type PolicySource } from '@corral/policy/cedar/source';
import { CorralError } from '@corral/protocol/errors';
import type { ConfigArchive } from '@corral/protocol/ports/front';

export interface RuleText {
  readonly rule: string;
  readonly text: string;
}

/** The part of a tenant's configuration that has its policies. */
interface InForce {
  readonly policies?: { readonly current: { readonly version: string; readonly policies: readonly LoadedPolicy[] } } | undefined;
}

/** Texts of rules by their ids. */
type Texts = ReadonlyMap<string, string>;

const ID = /@id\(\s*"((?:[^"\\]|\\.)*)"\s*\)/;
const CONSEQUENCE = /@consequence\(\s*"([^"]*)"\s*\)/;
const FORBIDS = /(?:^|[\s)])forbid\s*\(/;

export interface Statement extends RuleText {
  readonly effect: 'permit' | 'forbid';
  readonly consequence: string | null;
}

/** The statements of policy files that have an id, in their order. */
export const statementsIn = (files: readonly PolicySource[]): Statement[] =>
  files.flatMap(split).flatMap(({ text }) => {
    const rule = ID.exec(text)?.[1];
    if (rule === undefined) return [];
    return [{ rule, text, effect: FORBIDS.test(text) ? 'forbid' : 'permit', consequence: CONSEQUENCE.exec(text)?.[1] ?? null }];
  });

/** @returns the texts of those of some rules that ask people, by the version of a tenant's policies; a version that was forgotten has none */
export function askingRules(
  tenants: Readonly<Record<string, InForce>>,
  archive: Pick<ConfigArchive, 'policies'>,
): (tenant: string, version: string, rules: readonly string[]) => RuleText[] {
  const known = new Map<string, Texts>();
  return (tenant, version, rules) => {
    const key = `${tenant} ${version}`;
    const current = tenants[tenant]?.policies?.current;
    const texts = known.get(key) ?? (current?.version === version ? loaded(current.policies) : archived(archive, tenant, version));
    known.set(key, texts);
    return rules.flatMap((rule) => {
      const text = texts.get(rule);
      return text === undefined ? [] : [{ rule, text }];
    });
  };
}

const loaded = (policies: readonly LoadedPolicy[]): Texts =>
  new Map(policies.filter(({ consequence }) => consequence === 'approval').map(({ id, source }) => [id, source.text]));

function archived(archive: Pick<ConfigArchive, 'policies'>, tenant: string, version: string): Texts {
  if (version === '') return new Map();
  try {
    const asking = statementsIn(archive.policies(version, tenant).files).filter(({ consequence }) => consequence === 'approval');
    return new Map(asking.map(({ rule, text }) => [rule, text]));
  } catch (error) {
    if (error instanceof CorralError) return new Map();
    throw error;
  }
}
