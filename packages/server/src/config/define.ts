/** What a `corral.config.ts` imports. */
import type * as z from 'zod';
import type { Config } from './schema.ts';

export { inlineTool as tool, ToolError } from '@corral/tools/define';
export type { ToolPowers } from './schema.ts';

/** Says what kind of thing a configuration file exports; it is checked when it is loaded. */
export function defineConfig(config: Unbranded<z.input<typeof Config>>): typeof config {
  return config;
}

/** A name is written as plain text. */
type Unbranded<T> = T extends string
  ? string
  : T extends (...args: never[]) => unknown
    ? T
    : T extends readonly (infer Item)[]
      ? readonly Unbranded<Item>[]
      : T extends object
        ? { [Key in keyof T]: Key extends 'tools' ? Extract<T[Key], unknown> | readonly string[] : Unbranded<T[Key]> }
        : T;
