/** Grants, the nodes of the derivation tree behind capabilities, as data. Their rules are in packages/policy. */
import * as z from 'zod';
import { AgentName, GrantId, RunId, ToolName } from '../ids.ts';
import { MACHINE } from '../limits.ts';
import type { Json } from '../json.ts';
import { recordOf } from '../record.ts';

/** Its size and depth are limited together with its effect, so it is not checked recursively here. */
const value = z.unknown() as z.ZodType<Json>;

/** Conditions on one argument. All members must hold; a missing argument fails them all. */
export const Predicate = z.strictObject({
  equals: value.exactOptional(),
  in: z.array(value).max(256).exactOptional(),
  /** A path at or below this one; both are normalised, so `..` cannot leave it. */
  under: z.string().max(1024).exactOptional(),
  prefix: z.string().max(1024).exactOptional(),
  max: z.number().exactOptional(),
  min: z.number().exactOptional(),
  max_length: z.int().min(0).exactOptional(),
});
export type Predicate = z.infer<typeof Predicate>;

/**
 * Rights of a holder. `invoke`: call the tool, or send to the mailbox; `read`: call the tool if the call only reads;
 * `delegate`: pass it on. They are separate, so that a coordinator may pass on what it may not use.
 */
export const RIGHTS = ['invoke', 'delegate', 'read'] as const;
export type Right = (typeof RIGHTS)[number];
const rights = z.array(z.enum(RIGHTS)).max(RIGHTS.length);

/** Narrows a capability. It is data, so that it can be shown, compared and checked offline; it can only remove authority. */
export const Attenuation = z.strictObject({
  /** By argument name; a dot reaches into objects: `{ 'to.iban': { in: […] } }`. */
  where: recordOf(z.string().min(1).max(200), Predicate)
    .refine((where) => Object.keys(where).length <= MACHINE.predicates_per_grant.max, {
      error: `has more than ${MACHINE.predicates_per_grant.max} predicates`,
    })
    .exactOptional(),
  uses: z.int().min(0).exactOptional(),
  expires_in_ms: z.int().min(0).exactOptional(),
  /** The rights that the holder keeps; left out: all that the giver may pass on. */
  rights: rights.exactOptional(),
  /** The most that the holder may pass on; left out: the same as `rights`. */
  passes: rights.exactOptional(),
  /** This many uses at once, then one more every 60/`per_minute` seconds; shared by all grants derived from it. */
  rate: z.strictObject({ per_minute: z.int().min(1).max(1_000_000) }).exactOptional(),
  /** Total bytes of arguments or messages; like `uses`, shared by all grants derived from it. */
  bytes: z.int().min(0).exactOptional(),
  /** Refused to a run that may have been influenced by anything a stranger wrote, or whose label is unknown. */
  only_clean: z.literal(true).exactOptional(),
});
export type Attenuation = z.infer<typeof Attenuation>;

/** The target of a capability. */
export const Target = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tool'), tool: ToolName }),
  /** `agent`: owner of the mailbox, so that policies can use it without reading the store. */
  z.object({ kind: z.literal('mailbox'), run: RunId, agent: AgentName.exactOptional() }),
]);
export type Target = z.infer<typeof Target>;

/** A node of the derivation tree. */
export interface Grant {
  readonly id: GrantId;
  /** Undefined for a root grant, which the host made at admission. */
  readonly parent: GrantId | undefined;
  readonly holder: RunId;
  readonly target: Target;
  readonly where: Readonly<Record<string, Predicate>>;
  /** Undefined: only limited by its parents. */
  readonly uses: number | undefined;
  /** Milliseconds since 1970; undefined: as long as its parents. */
  readonly expires_at: number | undefined;
  readonly depth: number;
  /** Undefined: all. */
  readonly rights?: readonly Right[];
  readonly passes?: readonly Right[];
  readonly rate?: { readonly per_minute: number };
  readonly bytes?: number;
  readonly only_clean?: true;
  /** Calls by it tell the tool the trace that they belong to. The host gives that to a root grant; a grant has it if the one above has it. */
  readonly trace?: true;
  /**
   * For a tool that keeps data (`Tool.keeps`): the agent and the person that the root grant was made for. The holder of a grant below it works
   * on their data.
   */
  readonly keeps_for?: KeepsFor;
}

/** A predicate on one argument, which a dotted path names. */
export interface Narrowing {
  readonly argument: string;
  readonly predicate: Predicate;
}

/** The owners of the kept data that a capability is about. */
export interface KeepsFor {
  readonly agent: string;
  readonly person: string;
}

/** The part of a grant that changes. */
export interface GrantState {
  readonly used: number;
  readonly revoked: boolean;
  /** The person who revoked it, and why; absent if it ended with its run. */
  readonly revoked_by?: string;
  readonly revoked_why?: string;
  /** Bytes sent with it; counted if they are limited. */
  readonly sent_bytes?: number;
  /** For a limited rate: when all uses are available again. Milliseconds since 1970. */
  readonly rested_at?: number;
}

export type Arguments = Readonly<Record<string, Json>>;
export const isGrantId = (value: unknown): value is GrantId => GrantId.safeParse(value).success;
