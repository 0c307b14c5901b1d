/**
 * The texts of the rules by which people are asked, for those whom they ask: of policies in force as they were loaded, of older ones from the
 * archive of what was in force.
 */
import type { LoadedPolicy } from '@corral/policy/cedar/policy-set';
import { split } from '@corral/policy/cedar/source';
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

const ASKS = /@consequence\(\s*"approval"\s*\)/;
const ID = /@id\(\s*"((?:[^"\\]|\\.)*)"\s*\)/;

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
  const texts = new Map<string, string>();
  if (version === '') return texts;
  try {
    for (const { text } of archive.policies(version, tenant).files.flatMap((file) => split(file))) {
      const id = ID.exec(text)?.[1];
      if (id !== undefined && ASKS.test(text)) texts.set(id, text);
    }
  } catch (error) {
    if (!(error instanceof CorralError)) throw error;
  }
  return texts;
}
