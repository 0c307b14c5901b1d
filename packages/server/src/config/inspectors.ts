/** The inspectors of a configuration, and the rules that come with them. */
import { inspectorPolicies } from '@corral/policy/pack/inspectors';
import type { PolicySource } from '@corral/policy/cedar/source';
import { modelIn } from '@corral/protocol/ids';
import type { Inspector } from '@corral/protocol/ports/inspector';
import type { Tool } from '@corral/protocol/ports/tool';
import { builtIn } from '@corral/tools/inspect/built-in';
import { modelInspector } from '@corral/tools/inspect/by-model';
import { httpInspector } from '@corral/tools/inspect/http';
import { SHORTEST_VALUE } from '@corral/tools/inspect/known-values';
import type { InspectorConfig, Inspectors } from './inspectors-schema.ts';
import type { Vault } from './secrets.ts';
import type { Fault } from './whole.ts';

/** @param tools all of the configuration, whatever tenant they are offered to */
export function inspectorsOf(inspectors: Inspectors, tools: readonly Tool[], vault: Vault): Inspector[] {
  return Object.entries(inspectors).map(([name, said]) => inspectorOf(name, said, tools, vault));
}

function inspectorOf(name: string, said: InspectorConfig, tools: readonly Tool[], vault: Vault): Inspector {
  const { on, always, timeout_ms } = said;
  const common = { name, on, always, timeout_ms };
  switch (said.kind) {
    case 'secrets': {
      const { canaries, except } = said;
      const values = () =>
        [...vault.known]
          .filter(([value]) => value.length >= SHORTEST_VALUE)
          .map(([value, of]) => ({ value, kind: `${canaries.includes(of) ? 'canary' : 'secret'}:${of}` }));
      return builtIn({ ...common, except, search: { kind: 'secrets', values } });
    }
    case 'personal':
      return builtIn({ ...common, except: said.except, search: { kind: 'personal' } });
    case 'http': {
      const { url, key, hears, request_bytes, may } = said;
      return httpInspector({
        ...common,
        url,
        hears: hears === undefined || hears.includes('*') ? undefined : hears,
        may,
        most_bytes: request_bytes,
        key: key === undefined ? undefined : () => vault.read(key),
      });
    }
    case 'model': {
      const model = tools.find((tool) => modelIn(tool.name) === said.model);
      if (model === undefined) throw new Error(`there is no model ${said.model}`);
      return modelInspector({ ...common, ...said, name, model });
    }
  }
}

/** The rules of the default pack about these inspectors. */
export const inspectorRules = (inspectors: Inspectors): PolicySource | undefined =>
  inspectorPolicies(Object.entries(inspectors).flatMap(([name, { kind, on }]) => (kind === 'secrets' ? [{ name, on }] : [])));

/** Names of models and secrets that there are not. */
export function faultsOfInspectors(
  inspectors: Inspectors,
  models: Readonly<Record<string, unknown>>,
  secrets: Readonly<Record<string, unknown>>,
): Fault[] {
  return Object.entries(inspectors).flatMap(([name, said]): Fault[] => {
    const path = ['inspectors', name];
    const noSecret = (at: string, of: string): Fault[] =>
      Object.hasOwn(secrets, of) ? [] : [{ path: [...path, at], message: `there is no secret ${of}` }];
    if (said.kind === 'secrets') return said.canaries.flatMap((of) => noSecret('canaries', of));
    if (said.kind === 'http') return said.key === undefined ? [] : noSecret('key', said.key);
    if (said.kind !== 'model' || Object.hasOwn(models, said.model)) return [];
    return [{ path: [...path, 'model'], message: `there is no model ${said.model}` }];
  });
}
