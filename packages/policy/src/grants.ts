/**
 * The derivation tree behind capabilities (DESIGN 3.11, 5). A grant is checked along its whole chain at every use, so that
 * taking one back takes back all that was derived from it, at once and without visiting them.
 */
import type { ErrorCode } from '@corral/protocol/errors';
import type { Attenuation, Grant, GrantState, Target } from '@corral/protocol/grant';
import type { GrantId, RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import { canonical, isDeeperThan, JSON_MAX_DEPTH } from '@corral/protocol/json';
import { argumentAt, prepare, whyNot, type Condition } from './predicate.ts';

/** A refusal by the grant itself. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

interface Node {
  readonly grant: Grant;
  used: number;
  revoked: boolean;
  /** Held by a run or by a child node. */
  children: number;
  held: boolean;
  /** Its predicates, made ready at its first use. */
  conditions: readonly { readonly name: string; readonly condition: Condition }[] | undefined;
}

export class Grants {
  readonly #nodes = new Map<GrantId, Node>();
  /** Grants of a run's mailbox. */
  readonly #mailboxes = new Map<RunId, Set<GrantId>>();

  get size(): number {
    return this.#nodes.size;
  }

  /** @param held false: nobody in memory holds it; it is here because something derived from it is */
  add(grant: Grant, state: GrantState = { used: 0, revoked: false }, held = true): void {
    const known = this.#nodes.get(grant.id);
    if (known !== undefined) {
      known.held ||= held;
      return;
    }
    if (grant.target.kind === 'mailbox') {
      const own = this.#mailboxes.get(grant.target.run);
      if (own === undefined) this.#mailboxes.set(grant.target.run, new Set([grant.id]));
      else own.add(grant.id);
    }
    this.#nodes.set(grant.id, { grant, used: state.used, revoked: state.revoked, children: 0, held, conditions: undefined });
    const parent = grant.parent === undefined ? undefined : this.#nodes.get(grant.parent);
    if (parent !== undefined) parent.children += 1;
  }

  get(id: GrantId): Grant | undefined {
    return this.#nodes.get(id)?.grant;
  }

  /** Says whether a use with these arguments is covered by the grant and everything it was derived from. */
  check(id: GrantId, input: unknown, now: number): Refusal | undefined {
    for (const node of this.#chain(id)) {
      const { grant } = node;
      if (node.revoked) return { code: 'CORRAL_REVOKED', message: 'The capability was taken back.' };
      if (grant.expires_at !== undefined && now >= grant.expires_at)
        return { code: 'CORRAL_GRANT_EXPIRED', message: 'The capability has expired.' };
      if (grant.uses !== undefined && node.used >= grant.uses) {
        return { code: 'CORRAL_GRANT_SPENT', message: `The capability could be used ${grant.uses} times, and was.` };
      }
      node.conditions ??= Object.entries(grant.where).map(([name, predicate]) => ({ name, condition: prepare(predicate) }));
      for (const { name, condition } of node.conditions) {
        const why = whyNot(condition, argumentAt(input, name));
        if (why !== undefined) return { code: 'CORRAL_GRANT_PREDICATE', message: `The capability does not cover this: ${name} ${why}.` };
      }
    }
    return undefined;
  }

  /** Counts one use along the chain. Answers with the grants whose count is limited and so must be kept. */
  use(id: GrantId): GrantId[] {
    const counted: GrantId[] = [];
    for (const node of this.#chain(id)) {
      node.used += 1;
      if (node.grant.uses !== undefined) counted.push(node.grant.id);
    }
    return counted;
  }

  state(id: GrantId): GrantState {
    const node = this.#nodes.get(id);
    return { used: node?.used ?? 0, revoked: node?.revoked ?? true };
  }

  /**
   * A child of a grant, narrowed. It is returned, not added: the caller adds it once the decision stands.
   * @returns a refusal when the chain would be too long, the terms too large, or the parent is spent, expired or revoked
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
    for (const node of this.#chain(parent)) if (node.revoked) return { code: 'CORRAL_REVOKED', message: 'The capability was taken back.' };
    return {
      id,
      parent,
      holder,
      target: above.target,
      where: terms.where ?? {},
      uses: terms.uses,
      expires_at: terms.expires_in_ms === undefined ? undefined : now + terms.expires_in_ms,
      depth: above.depth + 1,
    };
  }

  /** Whether anything that was derived from a grant is still held. */
  isShared(id: GrantId): boolean {
    return (this.#nodes.get(id)?.children ?? 0) > 0;
  }

  /** Runs in memory that hold a grant of this one's mailbox, itself left out. */
  writersTo(run: RunId): RunId[] {
    const writers: RunId[] = [];
    for (const id of this.#mailboxes.get(run) ?? []) {
      const node = this.#nodes.get(id);
      if (node?.held === true && node.grant.holder !== run) writers.push(node.grant.holder);
    }
    return writers;
  }

  /** Takes back a grant, and with it everything derived from it: one write, whatever the size of the subtree. */
  revoke(id: GrantId): void {
    const node = this.#nodes.get(id);
    if (node !== undefined) node.revoked = true;
  }

  /** The holder let go of a grant. The node goes once nothing is derived from it any more. */
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

  /** The grant and what it was derived from, up to the root. A node that is missing ends the chain as revoked. */
  *#chain(id: GrantId): Generator<Node> {
    let next: GrantId | undefined = id;
    while (next !== undefined) {
      const node: Node | undefined = this.#nodes.get(next);
      if (node === undefined) {
        yield MISSING;
        return;
      }
      yield node;
      next = node.grant.parent;
    }
  }
}

const MISSING: Node = {
  grant: {
    id: '' as GrantId,
    parent: undefined,
    holder: '' as RunId,
    target: { kind: 'mailbox', run: '' as RunId },
    where: {},
    uses: undefined,
    expires_at: undefined,
    depth: 0,
  },
  used: 0,
  revoked: true,
  children: 0,
  held: false,
  conditions: [],
};

/** What a target is called: `tool:fs.read`, `mailbox`. */
export function targetName(target: Target): string {
  return target.kind === 'tool' ? `tool:${target.tool}` : 'mailbox';
}
