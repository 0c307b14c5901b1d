/** Grants: the nodes of the derivation tree behind capabilities, as data. The rules are in packages/policy. */
import * as z from 'zod';
import { GrantId, RunId, ToolName } from './ids.ts';
import { MACHINE } from './limits.ts';
import type { Json } from './json.ts';

/** Bounded in size and depth with the effect it comes in, so that nothing here recurses into it. */
const value = z.unknown() as z.ZodType<Json>;

/** What must hold of one argument. Members are conjoined; an argument that is missing fails them all. */
export const Predicate = z.strictObject({
  equals: value.exactOptional(),
  in: z.array(value).max(256).exactOptional(),
  /** A path at or below this one; both are normalised, `..` never gets out. */
  under: z.string().max(1024).exactOptional(),
  prefix: z.string().max(1024).exactOptional(),
  max: z.number().exactOptional(),
  min: z.number().exactOptional(),
  max_length: z.int().min(0).exactOptional(),
});
export type Predicate = z.infer<typeof Predicate>;

/** Narrows a capability. It is data, so that it can be shown, compared and checked offline; it can only take away. */
export const Attenuation = z.strictObject({
  /** By argument name; a dot reaches into objects: `{ 'to.iban': { in: […] } }`. */
  where: z
    .record(z.string().min(1).max(200), Predicate)
    .refine((where) => Object.keys(where).length <= MACHINE.predicates_per_grant.max, {
      error: `has more than ${MACHINE.predicates_per_grant.max} predicates`,
    })
    .exactOptional(),
  uses: z.int().min(0).exactOptional(),
  expires_in_ms: z.int().min(0).exactOptional(),
});
export type Attenuation = z.infer<typeof Attenuation>;

/** What a capability reaches. */
export const Target = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tool'), tool: ToolName }),
  z.object({ kind: z.literal('mailbox'), run: RunId }),
]);
export type Target = z.infer<typeof Target>;

/** A node of the derivation tree. */
export interface Grant {
  readonly id: GrantId;
  /** Undefined for a root, which the host itself made at admission. */
  readonly parent: GrantId | undefined;
  readonly holder: RunId;
  readonly target: Target;
  readonly where: Readonly<Record<string, Predicate>>;
  /** Undefined: as often as its parents allow. */
  readonly uses: number | undefined;
  /** Milliseconds since the epoch; undefined: as long as its parents last. */
  readonly expires_at: number | undefined;
  readonly depth: number;
}

/** What changes about a grant while it lives. */
export interface GrantState {
  readonly used: number;
  readonly revoked: boolean;
}

export type Arguments = Readonly<Record<string, Json>>;
export const isGrantId = (value: unknown): value is GrantId => GrantId.safeParse(value).success;
