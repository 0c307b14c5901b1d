/** Capabilities that are sent with a message or to a child: for each, the receiver gets a grant of its own, derived from the sender's. */
import { targetName, type Grants, type Refusal } from '@corral/policy/capability/grants';
import type { CarriedCapability } from '@corral/protocol/wire/delivery';
import type { Attenuation, Grant } from '@corral/protocol/model/grant';
import { newId, type RunId } from '@corral/protocol/ids';
import type { Random } from '@corral/protocol/ports/machine';

/** A capability that the sender named, resolved in its c-list. */
export interface Slot {
  readonly alias: string;
  readonly terms: Attenuation;
  readonly from: Grant;
}

interface SlotContext {
  readonly now: number;
  readonly random: Random;
  readonly grants: Grants;
}

/** Derives the receiver's grants, in the order of the slots, without adding them. @returns the refusal if one fails */
export function deriveAll(slots: readonly Slot[], holder: RunId, { now, random, grants }: SlotContext): readonly Grant[] | Refusal {
  const made: Grant[] = [];
  for (const { from, terms } of slots) {
    const grant = grants.derive(from.id, newId('grant', random), holder, terms, now);
    if ('code' in grant) return grant;
    made.push(grant);
  }
  return made;
}

/** The capabilities as the message carries them. */
export const carried = (slots: readonly Slot[], made: readonly Grant[]): CarriedCapability[] =>
  slots.map(({ alias, from: { target } }, i) => ({
    alias,
    kind: target.kind,
    name: target.kind === 'tool' ? target.tool : targetName(target),
    grant: (made[i] as Grant).id,
  }));
