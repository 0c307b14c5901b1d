/** Grants: the nodes of the derivation tree behind capabilities, as data. The rules are in packages/policy. */
import * as z from 'zod';
import { AgentName, GrantId, RunId, ToolName } from './ids.ts';
import { MACHINE } from './limits.ts';
import type { Json } from './json.ts';
import { recordOf } from './record.ts';

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

/**
 * What a holder may do itself. `invoke`: call the tool, or send to the mailbox; `read`: call it where it only reads; `delegate`:
 * pass it on. They are separate, so that a coordinator may pass on what it may not use.
 */
export const RIGHTS = ['invoke', 'delegate', 'read'] as const;
export type Right = (typeof RIGHTS)[number];
const rights = z.array(z.enum(RIGHTS)).max(RIGHTS.length);

/** Narrows a capability. It is data, so that it can be shown, compared and checked offline; it can only take away. */
export const Attenuation = z.strictObject({
  /** By argument name; a dot reaches into objects: `{ 'to.iban': { in: […] } }`. */
  where: recordOf(z.string().min(1).max(200), Predicate)
    .refine((where) => Object.keys(where).length <= MACHINE.predicates_per_grant.max, {
      error: `has more than ${MACHINE.predicates_per_grant.max} predicates`,
    })
    .exactOptional(),
  uses: z.int().min(0).exactOptional(),
  expires_in_ms: z.int().min(0).exactOptional(),
  /** The rights that the holder is left with; left out: all that its giver may pass on. */
  rights: rights.exactOptional(),
  /** The most that the holder may pass on, to whomever; left out: the same as `rights`. */
  passes: rights.exactOptional(),
  /** That many uses at once, then one more every 60/`per_minute` seconds; shared by everything derived from it. */
  rate: z.strictObject({ per_minute: z.int().min(1).max(1_000_000) }).exactOptional(),
  /** A slice of the purse: bytes of arguments or messages in total, shared by everything derived from it, as `uses` are. */
  bytes: z.int().min(0).exactOptional(),
  /** A ceiling on labels: refused to a run that anything a stranger wrote may have influenced, or of which that is not known. */
  only_clean: z.literal(true).exactOptional(),
});
export type Attenuation = z.infer<typeof Attenuation>;

/** What a capability reaches. */
export const Target = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tool'), tool: ToolName }),
  /** `agent`: whose mailbox it is, so that policies can ask about it without asking the store. */
  z.object({ kind: z.literal('mailbox'), run: RunId, agent: AgentName.exactOptional() }),
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
  /** Undefined: all. */
  readonly rights?: readonly Right[];
  readonly passes?: readonly Right[];
  readonly rate?: { readonly per_minute: number };
  readonly bytes?: number;
  readonly only_clean?: true;
}

/** What changes about a grant while it lives. */
export interface GrantState {
  readonly used: number;
  readonly revoked: boolean;
  /** The person who took it back, and why; absent where it ended with its run. */
  readonly revoked_by?: string;
  readonly revoked_why?: string;
  /** Bytes that went through it; kept where they are limited. */
  readonly sent_bytes?: number;
  /** Where its rate is limited: when it will be rested again, in milliseconds since 1970. */
  readonly rested_at?: number;
}

export type Arguments = Readonly<Record<string, Json>>;
export const isGrantId = (value: unknown): value is GrantId => GrantId.safeParse(value).success;
