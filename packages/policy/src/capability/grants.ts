/**
 * The derivation tree behind capabilities (ARCHITECTURE.md, "Authority and budgets"). Every use checks a grant along its whole chain, so
 * that revoking one revokes all that was derived from it, at once and without visiting them.
 */
import type { ErrorCode } from '@corral/protocol/errors';
import {
  RIGHTS,
  type Attenuation,
  type Grant,
  type GrantState,
  type Narrowing,
  type Right,
  type Target,
} from '@corral/protocol/model/grant';
import { targetText, type GrantId, type RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import { canonical, isDeeperThan, JSON_MAX_DEPTH } from '@corral/protocol/json';
import { argumentAt, Paths, prepare, whyNot, type Condition } from './predicate.ts';

/** A refusal by the grant itself. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** A use of a capability, as far as grants limit it. */
export interface Use {
  /** Bytes of its arguments. */
  readonly bytes: number;
  /** Whether anything a stranger wrote may have influenced the run; undefined: unknown. */
  readonly untrusted: boolean | undefined;
  /** It changes nothing, so the right to read is enough. */
  readonly reads: boolean;
  /** It was already counted when it was asked for. */
  readonly counted?: boolean;
}
const ANY: Use = { bytes: 0, untrusted: false, reads: false };

/** A use that was counted, so that it can be taken back. */
export interface Counted {
  readonly id: GrantId;
  readonly bytes: number;
  /** `rested_at` before and after the use, for each grant of the chain that has a rate. */
  readonly rested: readonly (readonly [GrantId, number, number])[];
}

/** Uses of one grant, as a commit counts them. */
export interface UseCount {
  readonly grant: GrantId;
  readonly times: number;
  readonly bytes: number;
  readonly at: number;
}

interface Node {
  readonly grant: Grant;
  /** It has no terms of its own. */
  readonly plain: boolean;
  used: number;
  bytes: number;
  rested_at: number;
  revoked: boolean;
  /** Number of child nodes; and whether a run holds it. */
  children: number;
  held: boolean;
  /** Its predicates, prepared at its first use. */
  conditions: readonly { readonly name: string; readonly condition: Condition }[] | undefined;
}

export class Grants {
  readonly #nodes = new Map<GrantId, Node>();
  /** Grants of a run's mailbox. */
  readonly #mailboxes = new Map<RunId, Set<GrantId>>();
  /** Grants that people revoked; kept because the store may briefly still report such a grant as valid. */
  readonly #taken = new Set<GrantId>();

  get size(): number {
    return this.#nodes.size;
  }

  /** @param held false: no run in memory holds it; it is here because something derived from it is */
  add(grant: Grant, state: GrantState = { used: 0, revoked: false }, held = true): void {
    const known = this.#nodes.get(grant.id);
    if (known !== undefined) {
      known.held ||= held;
      this.sync(grant.id, state);
      return;
    }
    if (grant.target.kind === 'mailbox') {
      const own = this.#mailboxes.get(grant.target.run);
      if (own === undefined) this.#mailboxes.set(grant.target.run, new Set([grant.id]));
      else own.add(grant.id);
    }
    this.#nodes.set(grant.id, {
      grant,
      plain: isPlain(grant),
      used: state.used,
      bytes: state.sent_bytes ?? 0,
      rested_at: state.rested_at ?? 0,
      revoked: state.revoked || this.#taken.has(grant.id),
      children: 0,
      held,
      conditions: undefined,
    });
    const parent = grant.parent === undefined ? undefined : this.#nodes.get(grant.parent);
    if (parent !== undefined) parent.children += 1;
  }

  get(id: GrantId): Grant | undefined {
    return this.#nodes.get(id)?.grant;
  }

  /** Checks that a use with these arguments is allowed by the grant and by all it was derived from. */
  check(id: GrantId, input: unknown, now: number, use: Use = ANY): Refusal | undefined {
    const own = this.#nodes.get(id)?.grant.rights;
    if (own !== undefined && !own.includes('invoke') && !(use.reads && own.includes('read')))
      return { code: 'CORRAL_GRANT_RIGHT', message: `The capability is not for ${use.reads ? 'reading' : 'use'} by its holder.` };
    const paths = new Paths();
    let next: GrantId | undefined = id;
    while (next !== undefined) {
      const node = this.#nodes.get(next);
      // A missing node counts as revoked.
      if (node === undefined || node.revoked) return TAKEN_BACK;
      if (!node.plain) {
        const refusal = refusalOf(node, input, now, use, paths);
        if (refusal !== undefined) return refusal;
      }
      next = node.grant.parent;
    }
    return undefined;
  }

  /** Whether a predicate of the chain concerns an argument at, above or below one of these paths. */
  looksAt(id: GrantId, paths: readonly string[]): boolean {
    for (let node = this.#nodes.get(id); node !== undefined; node = this.#above(node))
      for (const name of Object.keys(node.grant.where))
        if (paths.some((path) => `${path}.`.startsWith(`${name}.`) || `${name}.`.startsWith(`${path}.`))) return true;
    return false;
  }

  /** The predicates of the chain on one argument each, by its dotted path. A use that `check` allows fulfils them all. */
  narrowings(id: GrantId): readonly Narrowing[] {
    const found: Narrowing[] = [];
    for (let node = this.#nodes.get(id); node !== undefined; node = this.#above(node))
      for (const [argument, predicate] of Object.entries(node.grant.where)) found.push({ argument, predicate });
    return found;
  }

  /** Whether a grant of the chain limits bytes. */
  limitsBytes(id: GrantId): boolean {
    for (let node = this.#nodes.get(id); node !== undefined; node = this.#above(node)) if (node.grant.bytes !== undefined) return true;
    return false;
  }

  /** Whether a grant, or any that it was derived from, was revoked. */
  isRevoked(id: GrantId): boolean {
    let next: GrantId | undefined = id;
    while (next !== undefined) {
      const node = this.#nodes.get(next);
      if (node === undefined || node.revoked) return true;
      next = node.grant.parent;
    }
    return false;
  }

  /**
   * Counts one use along the chain.
   * @param noted gets what takes the use back
   */
  use(id: GrantId, now = 0, bytes = 0, noted?: Counted[]): void {
    let rested: [GrantId, number, number][] | undefined;
    for (let node = this.#nodes.get(id); node !== undefined; node = this.#above(node)) {
      const { grant } = node;
      node.used += 1;
      node.bytes += bytes;
      if (grant.rate !== undefined) {
        const before = node.rested_at;
        node.rested_at = Math.max(now, before) + MINUTE_MS / grant.rate.per_minute;
        (rested ??= []).push([grant.id, before, node.rested_at]);
      }
    }
    noted?.push({ id, bytes, rested: rested ?? NEVER });
  }

  /** Takes back a use, since its crank was dropped. Uses of one crank are taken back in the opposite order. */
  unuse({ id, bytes, rested }: Counted): void {
    for (let node = this.#nodes.get(id); node !== undefined; node = this.#above(node)) {
      node.used -= 1;
      node.bytes -= bytes;
    }
    for (const [which, before, after] of rested) {
      const node = this.#nodes.get(which);
      // Others who share the grant may have used it since, and what they used stays used.
      if (node !== undefined)
        node.rested_at = node.rested_at === after ? before : node.rested_at - MINUTE_MS / (node.grant.rate?.per_minute ?? 1);
    }
  }

  /** Takes over the counts of a grant in the store, since other nodes use it too. Uses that this node has not stored yet stay counted. */
  sync(id: GrantId, { used, revoked, sent_bytes, rested_at }: GrantState): void {
    const node = this.#nodes.get(id);
    if (node === undefined) return;
    node.used = Math.max(node.used, used);
    node.bytes = Math.max(node.bytes, sent_bytes ?? 0);
    node.rested_at = Math.max(node.rested_at, rested_at ?? 0);
    node.revoked ||= revoked;
  }

  /** Counted uses by the limited grants of their chains. @param now when they were decided */
  usesOf(uses: readonly Counted[], now: number): readonly UseCount[] {
    const of = new Map<GrantId, { grant: GrantId; times: number; bytes: number; at: number }>();
    for (const { id, bytes } of uses)
      for (let node = this.#nodes.get(id); node !== undefined; node = this.#above(node)) {
        const { id: grant } = node.grant;
        if (!isLimited(node.grant)) continue;
        const sum = of.get(grant);
        if (sum === undefined) of.set(grant, { grant, times: 1, bytes, at: now });
        else {
          sum.times += 1;
          sum.bytes += bytes;
        }
      }
    return [...of.values()];
  }

  /** All grants in memory that are not marked as revoked. */
  standing(): GrantId[] {
    return [...this.#nodes.values()].flatMap(({ grant, revoked }) => (revoked ? [] : [grant.id]));
  }

  state(id: GrantId): GrantState {
    const node = this.#nodes.get(id);
    return {
      used: node?.used ?? 0,
      revoked: node?.revoked ?? true,
      ...(node?.grant.bytes === undefined ? {} : { sent_bytes: node.bytes }),
      ...(node?.grant.rate === undefined ? {} : { rested_at: node.rested_at }),
    };
  }

  /**
   * A child of a grant, narrowed. It is returned and not added: the caller adds it once the decision stands.
   * @returns a refusal if the chain would be too long, the terms too large, or the parent is used up, expired or revoked
   */
  derive(parent: GrantId, id: GrantId, holder: RunId, terms: Attenuation, now: number): Grant | Refusal {
    const above = this.#nodes.get(parent)?.grant;
    if (above === undefined) return { code: 'CORRAL_REVOKED', message: 'The capability was taken back.' };
    if (above.depth + 1 > MACHINE.grant_depth.max) {
      return { code: 'CORRAL_DENIED', message: `A capability can be passed on ${MACHINE.grant_depth.max} times.` };
    }
    if (isDeeperThan(terms.where, JSON_MAX_DEPTH))
      return { code: 'CORRAL_JSON_UNSUPPORTED', message: `An attenuation nests deeper than ${JSON_MAX_DEPTH} levels.` };
    const { length } = canonical(terms);
    if (length > MACHINE.attenuation_bytes.default) {
      const message = `An attenuation has ${length} bytes; at most ${MACHINE.attenuation_bytes.default} are accepted.`;
      return { code: 'CORRAL_EFFECT_TOO_LARGE', message };
    }
    if (this.isRevoked(parent)) return TAKEN_BACK;
    if (above.rights !== undefined && !above.rights.includes('delegate'))
      return { code: 'CORRAL_GRANT_RIGHT', message: 'The capability may not be passed on by its holder.' };
    const { passes: most } = above;
    const rights = most === undefined ? terms.rights : (terms.rights ?? most).filter((right) => most.includes(right));
    const wanted = terms.passes ?? rights;
    const passes = most === undefined ? wanted : (wanted ?? most).filter((right) => most.includes(right));
    return {
      id,
      parent,
      holder,
      target: above.target,
      where: terms.where ?? {},
      uses: terms.uses,
      expires_at: terms.expires_in_ms === undefined ? undefined : now + terms.expires_in_ms,
      depth: above.depth + 1,
      ...(rights === undefined ? {} : { rights: unique(rights) }),
      ...(passes === undefined ? {} : { passes: unique(passes) }),
      ...(terms.rate === undefined ? {} : { rate: terms.rate }),
      ...(terms.bytes === undefined ? {} : { bytes: terms.bytes }),
      ...(terms.only_clean === undefined ? {} : { only_clean: terms.only_clean }),
      ...(above.trace === undefined ? {} : { trace: above.trace }),
      ...(above.keeps_for === undefined ? {} : { keeps_for: above.keeps_for }),
    };
  }

  /** Whether a grant derived from this one is still held. */
  isShared(id: GrantId): boolean {
    return (this.#nodes.get(id)?.children ?? 0) > 0;
  }

  /** Other runs in memory that hold a grant of this run's mailbox. */
  writersTo(run: RunId): RunId[] {
    const writers: RunId[] = [];
    for (const id of this.#mailboxes.get(run) ?? []) {
      const node = this.#nodes.get(id);
      if (node?.held === true && node.grant.holder !== run) writers.push(node.grant.holder);
    }
    return writers;
  }

  /** Revokes a grant, and with it everything derived from it: one write, whatever the size of the subtree. */
  revoke(id: GrantId): void {
    const node = this.#nodes.get(id);
    if (node !== undefined) node.revoked = true;
  }

  /** The same for a person's revocation: it also overrides a state that is read from the store too early. */
  takeBack(id: GrantId): void {
    this.#taken.add(id);
    this.revoke(id);
  }

  /** A run in memory holds it now. */
  hold(id: GrantId): void {
    const node = this.#nodes.get(id);
    if (node !== undefined) node.held = true;
  }

  /** The holder dropped a grant. The node is deleted once nothing is derived from it any more. */
  release(id: GrantId): void {
    const node = this.#nodes.get(id);
    if (node === undefined) return;
    node.held = false;
    this.#sweep(node);
  }

  #sweep(node: Node): void {
    if (node.held || node.children > 0) return;
    this.#nodes.delete(node.grant.id);
    const { target } = node.grant;
    if (target.kind === 'mailbox') {
      const own = this.#mailboxes.get(target.run);
      own?.delete(node.grant.id);
      if (own?.size === 0) this.#mailboxes.delete(target.run);
    }
    const parent = node.grant.parent === undefined ? undefined : this.#nodes.get(node.grant.parent);
    if (parent === undefined) return;
    parent.children -= 1;
    this.#sweep(parent);
  }

  #above({ grant }: Node): Node | undefined {
    return grant.parent === undefined ? undefined : this.#nodes.get(grant.parent);
  }
}

const MINUTE_MS = 60_000;
const isLimited = ({ uses, bytes, rate }: Grant): boolean => uses !== undefined || bytes !== undefined || rate !== undefined;
const NEVER: Counted['rested'] = [];
const TAKEN_BACK: Refusal = { code: 'CORRAL_REVOKED', message: 'The capability was taken back.' };

const unique = (rights: readonly Right[]): readonly Right[] => RIGHTS.filter((right) => rights.includes(right));

/** Whether a grant has no terms of its own. */
export function isPlain(grant: Grant): boolean {
  const { where, uses, expires_at, rate, bytes, only_clean } = grant;
  return [uses, expires_at, rate, bytes, only_clean].every((term) => term === undefined) && Object.keys(where).length === 0;
}

/** Why one grant of a chain does not allow a use. */
function refusalOf(node: Node, input: unknown, now: number, use: Use, paths: Paths): Refusal | undefined {
  const { grant } = node;
  if (grant.expires_at !== undefined && now >= grant.expires_at)
    return { code: 'CORRAL_GRANT_EXPIRED', message: 'The capability has expired.' };
  if (use.counted !== true) {
    if (grant.uses !== undefined && node.used >= grant.uses)
      return { code: 'CORRAL_GRANT_SPENT', message: `The capability could be used ${grant.uses} times, and was.` };
    if (grant.bytes !== undefined && node.bytes + use.bytes > grant.bytes) {
      const message = `This has ${use.bytes} bytes, and ${Math.max(0, grant.bytes - node.bytes)} of the capability’s ${grant.bytes} are left.`;
      return { code: 'CORRAL_GRANT_SPENT', message };
    }
    if (grant.rate !== undefined) {
      const { per_minute } = grant.rate;
      const wait_ms = node.rested_at - now - (MINUTE_MS - MINUTE_MS / per_minute);
      // A wait below a thousandth of a millisecond is a rounding error.
      if (wait_ms > 0.001) {
        const message = `The capability may be used ${per_minute} times a minute; the next use is in ${Math.ceil(wait_ms)} ms.`;
        return { code: 'CORRAL_GRANT_RATE', message };
      }
    }
  }
  if (grant.only_clean === true && use.untrusted !== false) {
    const message =
      use.untrusted === undefined
        ? 'The capability is for runs that nothing untrusted has influenced, and no policy here keeps track of that.'
        : 'The capability is for runs that nothing untrusted has influenced, and this one has read such a thing.';
    return { code: 'CORRAL_GRANT_LABEL', message };
  }
  node.conditions ??= Object.entries(grant.where).map(([name, predicate]) => ({ name, condition: prepare(predicate) }));
  for (const { name, condition } of node.conditions) {
    const why = whyNot(condition, argumentAt(input, name), paths);
    if (why !== undefined) return { code: 'CORRAL_GRANT_PREDICATE', message: `The capability does not cover this: ${name} ${why}.` };
  }
  return undefined;
}

/** The name of a target: `tool:fs.read`, `service:claims`, `model:default`, `mailbox`. */
export const targetName = (target: Target): string => (target.kind === 'tool' ? targetText(target.tool) : 'mailbox');
