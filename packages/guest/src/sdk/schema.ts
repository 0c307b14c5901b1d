/** Schemas as authors give them, for inputs, outputs and answers, and the types that follow from them. */

/** Any Standard Schema (standardschema.dev, version 1), with the function that writes JSON Schema if the library has one. */
export interface Schema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => ValidationResult<Output> | Promise<ValidationResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    readonly jsonSchema?: {
      readonly input: (options: { target: 'draft-2020-12' }) => object;
      readonly output: (options: { target: 'draft-2020-12' }) => object;
    };
  };
}
type ValidationResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };
export type InputOf<S> = S extends Schema<unknown, infer Output> ? Output : unknown;
/** A schema takes this. */
export type SentTo<S> = S extends Schema<infer Input, unknown> ? Input : unknown;
/**
 * An output too small to carry instructions: a boolean, a number, or one of these words. A program that read a stranger's text may answer so
 * without passing the stranger's influence on to the run that made it.
 */
export type NarrowOutput = 'boolean' | 'number' | readonly string[];
/** An agent accepts this as the output of a program: a value that fits a schema, or a narrow one. */
export type ProgramOutput = Schema | NarrowOutput;
/** The type of that output. */
export type OutputOf<O> = O extends 'boolean'
  ? boolean
  : O extends 'number'
    ? number
    : O extends readonly (infer Word)[]
      ? Word
      : InputOf<O>;
