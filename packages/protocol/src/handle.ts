/**
 * Handles as they cross: where in a value one stands, what its holder may know of it, and what a host hands on in its place.
 * In the value itself stands null, so that no text that looks like a handle is ever one.
 */
import * as z from 'zod';
import { JSON_MAX_DEPTH, type Json } from './json.ts';
import { MACHINE } from './limits.ts';
import type { Label } from './label.ts';

/** Where it stands: member names and positions, beginning with the member of the effect or delivery it is in, such as `input`. */
export type HandlePath = readonly (string | number)[];

/** What a holder knows of a value without having read it. */
export interface HandleView {
  readonly type: 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';
  /** Length of its JSON text. */
  readonly bytes: number;
}

const step = z.union([z.string(), z.int().min(0)]);
/** Of what is behind a handle, the part that is meant. */
export const HandlePart = z.array(step).min(1).max(JSON_MAX_DEPTH);

/** A handle in an effect: `handle` is an index that means nothing outside of its run. */
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

/** A handle on its way to another run, with what only the host may see. */
export interface CarriedHandle extends HandleView {
  readonly path: HandlePath;
  readonly value: Json;
  /** Of what is inside. */
  readonly label: Label;
  /** The tool that gave it. */
  readonly source: string;
}

/** A handle in what a run begins with; its index is said, since a run may go on from a state. */
export interface PlacedHandle extends HandleView {
  readonly path: HandlePath;
  readonly handle: number;
  readonly at?: HandlePath;
}

export function viewOf(value: Json): HandleView {
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : (typeof value as HandleView['type']);
  return { type, bytes: JSON.stringify(value).length };
}
