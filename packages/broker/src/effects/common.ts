/** Shared by all decisions: the grant behind an index, values within their bounds, the purse. */
import type { Handled } from '@corral/policy/flow/handled';
import { CLEAN, mayHear } from '@corral/policy/flow/labels';
import type { Refusal } from '@corral/policy/capability/grants';
import { amountText, budgetName } from '@corral/protocol/model/cost';
import type { Attenuation, Grant } from '@corral/protocol/model/grant';
import { canonical, isDeeperThan, JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';
import { LIMIT_OF_BUDGET, MACHINE } from '@corral/protocol/limits';
import type { Label } from '@corral/protocol/model/label';
import type { Budget } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Books } from '../ledger/books.ts';
import type { Slot } from './slots.ts';
import { Refused, Violation } from './refused.ts';
import type { DecideContext } from './context.ts';

/** The label of everything that the run sends: anything that it has read may have influenced it. */
export function labelOf({ label }: Books): { readonly label?: Label } {
  return label === undefined || canonical(label) === canonical(CLEAN) ? {} : { label };
}

/** The grant behind an index. @throws Violation for an index that the run was never given; Refused if the capability is gone */
export function resolve(ledger: Books, cap: number, context: DecideContext): Grant {
  const id = ledger.caps.get(cap);
  // The capability for a child's mailbox ends with the child.
  if (id === undefined && cap < 0 && -cap <= ledger.lastId) throw new Refused('CORRAL_RECIPIENT_ENDED', 'The child has ended.');
  if (id === undefined && wasGiven(ledger, cap))
    throw new Refused('CORRAL_REVOKED', 'The run has let go of the capability, or held too many when it came.');
  if (id === undefined) throw new Violation('CORRAL_CAP_FORGED', `The run used capability ${cap}, which it was never given.`);
  const grant = context.grants.get(id);
  // After a fork, the copied journal contains grants of the origin; they are worth nothing to the fork.
  if (grant === undefined || grant.holder !== ledger.record.id) throw new Refused('CORRAL_REVOKED', 'The capability was taken back.');
  return grant;
}

/** Whether the run was ever given a capability with that index. */
export function wasGiven(ledger: Books, cap: number): boolean {
  return cap >= 0 ? cap < ledger.nextCap : -cap <= ledger.lastId;
}

/** Resolves the capabilities that an effect hands out. @throws Violation for an index that the run was never given */
export function slotsOf(
  ledger: Books,
  caps: Readonly<Record<string, Attenuation & { readonly cap: number }>> | undefined,
  context: DecideContext,
): Slot[] {
  if (caps === undefined) return [];
  return Object.entries(caps).map(([alias, { cap, ...terms }]) => ({ alias, terms, from: resolve(ledger, cap, context) }));
}

/** Whether untrusted data may have influenced the run; undefined if labels are not tracked. */
export const untrusted = ({ flow }: Books): boolean | undefined => flow?.label.sticky.untrusted_input;

/**
 * A model hears all that its run has read, since anything of it may stand in the prompt.
 * @returns the reason why it may not
 */
export function mayNotHear({ flow }: Books, { name, annotations: { hears } }: Tool, handled: readonly Handled[] = []): string | undefined {
  if (hears === undefined) return undefined;
  if (flow === undefined) return `${name} may not hear all private data, and no policy here keeps track of what this run has read`;
  const unheard = [flow.label, ...handled.map(({ label }) => label)].find((label) => !mayHear(label, hears));
  return unheard === undefined
    ? undefined
    : `${name} may not hear private data of ${unheard.private_to.join(', ')}, and this run has read some`;
}

export function afford(ledger: Books, amounts: Budget): void {
  const lacking = ledger.purse.lacks(amounts);
  if (lacking === undefined) return;
  const left = Math.max(0, Math.floor(ledger.purse.left(lacking)));
  const text = (amount: number) => amountText(lacking, amount);
  throw new Refused(
    'CORRAL_BUDGET_EXCEEDED',
    `This needs ${text(amounts[lacking] ?? 0)} of ${budgetName(lacking)}, and ${text(left)} of ${text(ledger.purse.granted[lacking])} are left.`,
    LIMIT_OF_BUDGET[lacking],
  );
}

/** @throws Refused if the host may keep nothing more in memory for the run */
export function mayKeepMore({ lacksMemory }: DecideContext): void {
  const why = lacksMemory?.();
  if (why !== undefined) throw new Refused('CORRAL_HOST_MEMORY', why);
}

/** @throws Refused if the causal chain has too many turns of services for another message */
export function inChain({ hops }: Books): void {
  if (hops >= MACHINE.service_depth.default)
    throw new Refused(
      'CORRAL_BUDGET_EXCEEDED',
      `The message would begin turn ${hops + 1} of services in its causal chain.`,
      'service_depth',
    );
}

/**
 * Checks a value of an effect that has no reply. Such an effect cannot be refused, so a value beyond the bounds ends the run; the SDK
 * refuses it earlier.
 */
export function whole(ledger: Books, value: unknown, what: string, depth = JSON_MAX_DEPTH): Json {
  try {
    return json(value ?? null, what, ledger.record.ceilings.message_bytes, depth).value;
  } catch (error) {
    if (error instanceof Refused) throw new Violation(error.code, error.message);
    throw error;
  }
}

export function refuse(refusal: Refusal | undefined): void {
  if (refusal !== undefined) throw new Refused(refusal.code, refusal.message);
}

/** The depth of a list of messages, each with a body. */
export const UNREAD_DEPTH = JSON_MAX_DEPTH + 2;

/**
 * A value from an isolate, checked against the bounds on size and depth.
 * @param limit by which `most` is bounded
 * @throws Refused
 */
export function json(
  value: unknown,
  what: string,
  most: number,
  depth = JSON_MAX_DEPTH,
  limit: 'message_bytes' | 'model_request_bytes' = 'message_bytes',
): { value: Json; bytes: number } {
  if (isDeeperThan(value, depth))
    throw new Refused('CORRAL_JSON_UNSUPPORTED', `${what} cannot leave: nested deeper than ${JSON_MAX_DEPTH} levels.`);
  const bytes = Buffer.byteLength(depth === JSON_MAX_DEPTH ? canonical(value) : JSON.stringify(value));
  if (bytes > most)
    throw new Refused('CORRAL_EFFECT_TOO_LARGE', `${what} cannot leave: ${bytes} bytes, and at most ${most} may leave at once.`, limit);
  return { value: value as Json, bytes };
}

export function exceeded(limit: Extract<Outcome, { kind: 'exceeded' }>['limit'], message: string): Outcome {
  return { kind: 'exceeded', limit, message };
}

/** A tool under quarantine comes back when the quarantine is lifted; a tool that is not offered does not. */
export const whyAbsent = (tool: string, { quarantined }: Pick<DecideContext, 'quarantined'>): string =>
  quarantined?.(tool) === true ? `${tool} is under quarantine` : `this host no longer offers ${tool}`;
