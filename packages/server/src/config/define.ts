/** The module that `corral.config.ts` imports. */
import type * as z from 'zod';
import { CorralError } from '@corral/protocol/errors';
import { didYouMean } from '@corral/protocol/nearest';
import { faultsOfAnnotations } from '@corral/tools/annotated';
import { inlineTool } from '@corral/tools/define';
import type { Config } from './schema.ts';

export { ToolError } from '@corral/tools/define';
export type { ToolPowers } from './schema.ts';

/** A misspelt `annotations` would be as good as none. A record, so that the compiler names a field that is missing here. */
const FIELDS = Object.keys({
  name: true,
  description: true,
  input: true,
  output: true,
  annotations: true,
  timeout_ms: true,
  run: true,
} satisfies Record<keyof Parameters<typeof inlineTool>[0], true>);

/**
 * A tool of a configuration.
 * @throws CORRAL_CONFIG_INVALID if it has a field that there is not, or an annotation names an argument that is missing, is not an amount,
 *   or may be left out
 */
export const tool: typeof inlineTool = (spec) => {
  const strange = Object.keys(spec).find((field) => !FIELDS.includes(field));
  if (strange !== undefined)
    throw new CorralError('CORRAL_CONFIG_INVALID', `tool ${spec.name}: there is no field ${strange}.${didYouMean(strange, FIELDS)}`);
  const made = inlineTool(spec);
  const [fault] = faultsOfAnnotations(made);
  if (fault !== undefined) throw new CorralError('CORRAL_CONFIG_INVALID', `tool ${spec.name}: ${fault.message}.`);
  return made;
};

/** Gives a configuration file its type. The configuration is checked when the host loads it, not here. */
export function defineConfig(config: Unbranded<z.input<typeof Config>>): typeof config {
  return config;
}

/** A branded name is written as plain text. */
type Unbranded<T> = T extends string
  ? string
  : T extends (...args: never[]) => unknown
    ? T
    : T extends readonly (infer Item)[]
      ? readonly Unbranded<Item>[]
      : T extends object
        ? { [Key in keyof T]: Key extends 'tools' ? Extract<T[Key], unknown> | readonly string[] : Unbranded<T[Key]> }
        : T;
