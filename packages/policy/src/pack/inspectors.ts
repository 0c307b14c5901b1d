/**
 * The rules that come with the pack where a host has inspectors for secrets: what holds a key or a canary does not leave, neither through
 * a tool or a model that reaches beyond the host, nor as the output of a run, and a model's answer with one does not reach its agent.
 * About other inspectors a host writes rules of its own, since only it knows what they mean.
 */
import type { InspectedPlace } from '@corral/protocol/model/inspection';
import type { PolicySource } from '../cedar/source.ts';

export interface SecretsInspector {
  readonly name: string;
  readonly on: readonly InspectedPlace[];
}

export function inspectorPolicies(inspectors: readonly SecretsInspector[]): PolicySource | undefined {
  const texts = inspectors.flatMap(({ name, on }) => on.flatMap((place) => RULES[place]?.(name) ?? []));
  return texts.length === 0 ? undefined : { file: 'inspectors of the configuration', text: texts.join('\n') };
}

const RULES: Readonly<Partial<Record<InspectedPlace, (name: string) => string>>> = {
  request: (name) => `@id("${name}-stays-inside")
@consequence("deny")
@description("What holds a key or a canary does not go beyond this host.")
forbid (principal, action in Action::"call", resource)
when { resource.openWorld && context.inspect.${name}.found };
`,
  answer: (name) => `@id("${name}-in-answer")
@consequence("deny")
@description("A model's answer that holds a key or a canary does not reach its agent.")
forbid (principal, action == Action::"answer", resource is Model)
when { context.inspect.${name}.found };
`,
  output: (name) => `@id("${name}-in-output")
@consequence("deny")
@description("A run's output that holds a key or a canary is withheld.")
forbid (principal, action == Action::"output", resource)
when { context.inspect.${name}.found };
`,
};
