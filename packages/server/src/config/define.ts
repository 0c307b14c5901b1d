/** The module that `corral.config.ts` imports. */
import type * as z from 'zod';
import type { Config } from './schema.ts';

export { inlineTool as tool, ToolError } from '@corral/tools/define';
export type { ToolPowers } from './schema.ts';

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
