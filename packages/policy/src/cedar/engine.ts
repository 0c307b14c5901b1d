/**
 * The port to Cedar's own engine, which parses, type-checks, and serves as oracle and fallback. It is a WebAssembly module that a
 * composition root loads and passes in. Also here: the part of Cedar's JSON format that Corral reads. Source of the format:
 * https://docs.cedarpolicy.com/policies/json-format.html
 */
import type * as cedar from '@cedar-policy/cedar-wasm/nodejs';

/** The functions of `@cedar-policy/cedar-wasm/nodejs` that are used. The module itself satisfies this type. */
export type CedarEngine = Pick<
  typeof cedar,
  'policyToJson' | 'validate' | 'checkParseSchema' | 'schemaToText' | 'preparsePolicySet' | 'statefulIsAuthorized'
>;

export type CedarSchema = cedar.SchemaJson<string>;
export type CedarType = cedar.Type<string>;
export type CedarJson = cedar.CedarValueJson;
export type EntityJson = cedar.EntityJson;
export type PolicyJson = cedar.PolicyJson;
export type SourceError = cedar.DetailedError;

/** An entity's name: `{ type: 'Tool', id: 'fs.read' }`. */
export interface EntityUid {
  readonly type: string;
  readonly id: string;
}

/** A node of an expression: an object with one key, the operator. */
export type Expression = Readonly<Record<string, unknown>>;

/** A uid as Cedar writes it, with or without its `__entity` wrapping. */
export function uidOf(value: EntityUid | { readonly __entity: EntityUid }): EntityUid {
  return '__entity' in value ? value.__entity : value;
}
