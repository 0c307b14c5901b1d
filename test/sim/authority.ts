/**
 * Authority only shrinks, and budgets are conserved: computes what grants and purses allow, independently of the
 * product.
 */
import type { Decision } from '@corral/protocol/model/decision';
import type { Grant } from '@corral/protocol/model/grant';
import type { GrantId, RunId } from '@corral/protocol/ids';
import { MICROS } from '@corral/protocol/limits';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import type { Book } from './book.ts';
import type { Known } from './known.ts';

const AMOUNTS = ['calls', 'messages', 'children'] as const;

export function granted(book: Book, grant: Grant): void {
  const parent = grant.parent === undefined ? undefined : book.grants.get(grant.parent);
  book.grants.set(grant.id, grant);
  if (grant.parent === undefined) {
    book.must(
      grant.target.kind === 'mailbox' && grant.target.run === grant.holder,
      () => `11: ${grant.id} of ${grant.holder} comes from nowhere`,
    );
    return;
  }
  book.must(
    parent !== undefined && JSON.stringify(parent.target) === JSON.stringify(grant.target) && grant.depth === parent.depth + 1,
    () => `11: ${grant.id} of ${grant.holder} is more than the grant it was derived from`,
  );
}

export function spawned(book: Book, record: RunRecord): void {
  book.admitted(record, true);
  const parent = record.parent && book.runs.get(record.parent.run);
  for (const { alias, grant } of record.caps) {
    if (alias === '') continue;
    const above = book.grants.get(grant)?.parent;
    const held = above !== undefined && book.grants.get(above)?.holder === parent?.record.id;
    book.must(held, () => `11: ${record.id} was given ${alias} by one who does not hold it`);
  }
}

/** Checks that every grant of the chain covers the use, and that no grant is used more often than its limit. */
export function used(book: Book, decision: Decision, run: RunId, n: number | undefined, where: string): void {
  let first = true;
  for (
    let grant = book.grants.get(decision.grant as GrantId);
    grant !== undefined;
    grant = grant.parent === undefined ? undefined : book.grants.get(grant.parent)
  ) {
    const holds = !first || grant.holder === run;
    const { id, uses } = grant;
    book.must(holds, () => `11: ${where} uses ${id}, which it does not hold`);
    first = false;
    const max = grant.where['n']?.max;
    book.must(max === undefined || (n ?? 0) <= max, () => `11: ${where} uses ${id} for ${n}; it covers up to ${max}`);
    if (uses === undefined) continue;
    const used = (book.uses.get(id) ?? 0) + 1;
    book.uses.set(id, used);
    book.must(used <= uses, () => `11: ${where} uses ${id} for the ${used}th time of ${uses}`);
  }
}

/** Whether the grant may be revoked by now: by people, or by the end of a run that it comes from. */
function mayBeRevoked(book: Book, id: GrantId | undefined): boolean {
  if (isRevoked(book, id, book.revoking)) return true;
  for (let next = id; next !== undefined; next = book.grants.get(next)?.parent) {
    const holder = book.runs.get(book.grants.get(next)?.holder as RunId);
    if (holder === undefined) continue;
    for (const { record, outcome } of book.lineage(holder)) if (outcome !== undefined || book.killAsked.has(record.id)) return true;
  }
  return false;
}

/**
 * Checks that the capability of a call or request that was refused as revoked was indeed revoked. The end of a run revokes its grants at
 * once and may become durable a moment later, so the check is repeated once the world is at rest.
 */
export function keptBack(book: Book, id: GrantId | undefined, what: () => string): void {
  if (!mayBeRevoked(book, id)) book.owed.push(() => book.must(mayBeRevoked(book, id), what));
}

/** Whether a grant, or one that it was derived from, is in `taken`. */
export function isRevoked(book: Book, id: GrantId | undefined, taken: ReadonlySet<GrantId>): boolean {
  for (let next = id; next !== undefined; next = book.grants.get(next)?.parent) if (taken.has(next)) return true;
  return false;
}

export function isWithin(book: Book, known: Known, where: string): void {
  const total = spentBelow(book, known);
  for (const name of AMOUNTS) {
    const granted = known.record.budget[name];
    book.must(
      total[name] <= granted,
      () => `10: at ${where}, ${known.record.id} and its descendants have spent ${total[name]} ${name} of ${granted}`,
    );
  }
  const [moved, money] = [movedBelow(book, known), known.record.budget.money_micros / MICROS];
  book.must(moved <= money, () => `10: at ${where}, ${known.record.id} and its descendants have paid ${moved} of ${money}`);
}

/** Money that the outside world really got from the run and its descendants. */
function movedBelow(book: Book, { record, children }: Known): number {
  let moved = book.powers.moved.get(record.id) ?? 0;
  for (const { run } of children.values()) {
    const child = book.runs.get(run);
    if (child !== undefined) moved += movedBelow(book, child);
  }
  return moved;
}

function spentBelow(book: Book, known: Known): Record<(typeof AMOUNTS)[number], number> {
  const total = { calls: known.spent.calls, messages: known.spent.messages, children: known.spent.children };
  for (const { run } of known.children.values()) {
    const child = book.runs.get(run);
    if (child === undefined) continue;
    const below = spentBelow(book, child);
    for (const name of AMOUNTS) total[name] += below[name];
  }
  return total;
}

/** CPU time or bytes that a run has used, plus what its children hold. */
export function amountGiven(book: Book, known: Known, name: 'cpu_ms' | 'bytes'): number {
  let given = known.spent[name];
  for (const { run, told } of known.children.values()) {
    const child = book.runs.get(run);
    if (child !== undefined) given += told ? amountGiven(book, child, name) : child.record.budget[name];
  }
  return given;
}

/**
 * Records the bytes that a crank costs at most. Each of its results costs up to the whole delivery; an effect costs its text, and for
 * each handle in it a value, which is no longer than all that the run has been given.
 */
export function chargeBytes(known: Known, delivery: Delivery, deliveryText: string, effectsText: string): void {
  const bytes = Buffer.byteLength(deliveryText);
  known.given_bytes += bytes;
  const results = delivery.kind === 'reply' ? delivery.results.length : delivery.kind === 'chunk' ? 1 : 0;
  let handles = 0;
  for (const effect of JSON.parse(effectsText) as Effect[])
    handles += effect.kind === 'open' ? 1 : 'handles' in effect ? (effect.handles?.length ?? 0) : 0;
  known.spent.bytes += results * bytes + Buffer.byteLength(effectsText) + handles * known.given_bytes;
}
