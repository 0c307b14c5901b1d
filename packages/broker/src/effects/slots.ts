/** Capabilities that go along with a message or to a child: one grant of its own for the receiver for each, derived from the giver's. */
import { targetName, type Grants, type Refusal } from '@corral/policy/capability/grants';
import type { CarriedCapability } from '@corral/protocol/wire/delivery';
import type { Attenuation, Grant } from '@corral/protocol/model/grant';
import { newId, type RunId } from '@corral/protocol/ids';
import type { Random } from '@corral/protocol/ports/machine';

/** What the giver named, resolved in its c-list. */
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

/** The receiver's grants, in the order of the slots; none of them is added yet. Or why the first that failed did. */
export function deriveAll(slots: readonly Slot[], holder: RunId, { now, random, grants }: SlotContext): readonly Grant[] | Refusal {
  const made: Grant[] = [];
  for (const { from, terms } of slots) {
    const grant = grants.derive(from.id, newId('grant', random), holder, terms, now);
    if ('code' in grant) return grant;
    made.push(grant);
  }
  return made;
}

/** How a message names them. */
export const carried = (slots: readonly Slot[], made: readonly Grant[]): CarriedCapability[] =>
  slots.map(({ alias, from: { target } }, i) => ({
    alias,
    kind: target.kind,
    name: target.kind === 'tool' ? target.tool : targetName(target),
    grant: (made[i] as Grant).id,
  }));
