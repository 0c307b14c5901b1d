/**
 * Handles as data: their positions in a value, what a holder may know about the value behind, and what the host passes on in
 * place of a handle. The value itself has null in these positions, so that text which looks like a handle is never one.
 */
import * as z from 'zod';
import { JSON_MAX_DEPTH, type Json } from '../json.ts';
import { MACHINE } from '../limits.ts';
import type { Label } from '../model/label.ts';

/** Position in an effect or delivery: member names and indexes, beginning with the member, such as `input`. */
export type HandlePath = readonly (string | number)[];

/** Facts about a value that its holder knows without having read it. */
export interface HandleView {
  readonly type: 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';
  /** Bytes of its JSON text. */
  readonly bytes: number;
}

const step = z.union([z.string(), z.int().min(0)]);
/** A part of the value behind a handle. */
export const HandlePart = z.array(step).min(1).max(JSON_MAX_DEPTH);

/** A handle in an effect: `handle` is an index that is valid in this run only. */
export const HandleSlot = z.strictObject({
  path: z
    .array(step)
    .min(1)
    .max(JSON_MAX_DEPTH + 4),
  handle: z.int().min(1),
  at: HandlePart.exactOptional(),
});
export type HandleSlot = z.infer<typeof HandleSlot>;
export const HandleSlots = z.array(HandleSlot).min(1).max(MACHINE.handle_slots.max);

/** A handle on its way to another run, with data that only the host may see. */
export interface CarriedHandle extends HandleView {
  readonly path: HandlePath;
  readonly value: Json;
  /** Label of the value. */
  readonly label: Label;
  /** The tool that returned it. */
  readonly source: string;
}

/**
 * A handle in a run's first delivery. Its index is given, because a run that goes on from a checkpoint has used indexes before.
 */
export interface PlacedHandle extends HandleView {
  readonly path: HandlePath;
  readonly handle: number;
  readonly at?: HandlePath;
}

export function viewOf(value: Json): HandleView {
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : (typeof value as HandleView['type']);
  return { type, bytes: JSON.stringify(value).length };
}
