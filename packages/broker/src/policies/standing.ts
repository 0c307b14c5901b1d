/**
 * Approvals that hold for later calls of the same run. A later call must not be wider than the one that was shown.
 * It has the same tool and names of arguments, and the same destination where that was meant. The same policies and no other rule ask about it.
 * Nothing about it is unusual that was not so then, no argument has a less trusted origin, and the run has got no label since. It is within the
 * bounds of count, money and time.
 */
import { argumentAt } from '@corral/policy/capability/predicate';
import type { Verdict } from '@corral/policy/cedar/verdict';
import { WORSE, type Flow } from '@corral/policy/flow/facts';
import { CLEAN } from '@corral/policy/flow/labels';
import { canonical, type Json } from '@corral/protocol/json';
import { shapeName, shapeText, type StandingApproval, type StandingGrant } from '@corral/protocol/model/standing';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Books } from '../ledger/books.ts';
import { amountOf, approversOf, ORIGINS_SHOWN, originsOf } from './evaluate.ts';

interface Asked {
  readonly tool: Tool;
  readonly input: Json;
  readonly verdict: Verdict;
  readonly flow: Flow | undefined;
}
interface Now {
  readonly now: number;
  readonly digest: (text: string) => string;
}

/** The approval under which a call passes that policies would ask people about, and the money that it takes of it. */
export function standingFor(
  ledger: Books,
  asked: Asked,
  { now, digest }: Now,
): { readonly call: number; readonly amount?: number } | undefined {
  const { tool, input } = asked;
  const open = ledger.approvals.filter((one) => one.tool === tool.name && one.until > now && one.used < one.uses);
  if (open.length === 0) return undefined;
  const shape = shapeName(digest(shapeText({ ...ledger.record, tool: tool.name, input })));
  const { money } = tool.annotations;
  const amount = money === undefined ? undefined : amountOf(input, money);
  const found = open.find((one) => one.shape === shape && isWithin(one, tool, input, amount) && isNoWider(ledger, one, asked));
  return found === undefined ? undefined : { call: found.call, ...(amount === undefined ? {} : { amount }) };
}

/** The values of arguments that say where a call goes. */
export const destinationOf = (input: Json, destinations: readonly string[]): string =>
  canonical(destinations.map((path) => argumentAt(input, path) ?? null));

function isWithin(one: StandingApproval, tool: Tool, input: Json, amount: number | undefined): boolean {
  const destinations = tool.annotations.destinations ?? [];
  if (one.scope === 'destination' && (destinations.length === 0 || destinationOf(input, destinations) !== one.destination)) return false;
  if (tool.annotations.money === undefined) return true;
  return one.amount !== undefined && amount !== undefined && one.spent + amount <= one.amount;
}

function isNoWider(ledger: Books, one: StandingGrant, { verdict, flow }: Asked): boolean {
  const { influenced_by, private_to } = ledger.label ?? CLEAN;
  const origins = originsOf(flow);
  return (
    // Where nothing is known of the flow of information now, it must not have been known then either.
    (flow !== undefined || !one.tracked) &&
    verdict.policy_version === one.policy &&
    (verdict.quorum ?? 1) === 1 &&
    isSubset(
      verdict.reasons.map(({ policy }) => policy),
      one.rules,
    ) &&
    isSubset(approversOf(verdict), one.approvers) &&
    isSubset(flow?.facts.unusual ?? [], one.unusual) &&
    isSubset(influenced_by, one.label.influenced_by) &&
    isSubset(private_to, one.label.private_to) &&
    // Where there are more arguments than are recorded, some are not known.
    origins.length < ORIGINS_SHOWN &&
    origins.every(([path, origin]) => rank(origin) <= worstAt(one.origins, topOf(path)))
  );
}

const isSubset = (some: readonly string[], of: readonly string[]): boolean => some.every((one) => of.includes(one));
const rank = (origin: string): number => {
  const at = (WORSE as readonly string[]).indexOf(origin);
  return at < 0 ? WORSE.length : at;
};
/** The least trusted origin of a top-level argument; one that is not listed comes from the user. */
const worstAt = (origins: StandingGrant['origins'], argument: string): number =>
  Math.max(0, ...origins.filter(([path]) => topOf(path) === argument).map(([, origin]) => rank(origin)));
const topOf = (path: string): string => /^[^.[]*/.exec(path)?.[0] ?? '';
