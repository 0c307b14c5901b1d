/**
 * The one who reads what runs hold, for one request: which labels allow it, and what stands in place of the rest (ARCHITECTURE.md, "Who may
 * read what runs hold"). A label names people and roles, and a reader has to be all of them; no role at the front door is enough, and neither
 * is it to have submitted the run, because the tools that an agent calls may read more than its submitter may. An admin who gives a reason
 * reads it in spite of the label, once that is in the record of operations.
 */
import { mayHear } from '@corral/policy/flow/labels';
import { PRIVATE_REASON, stoppedBy, withheldFrom, type Withheld } from '@corral/protocol/api/withheld';
import type { Route } from '@corral/protocol/api/route';
import { CorralError } from '@corral/protocol/errors';
import type { Names } from '@corral/protocol/model/label';
import type { Actor, Deed } from '../operation-log.ts';
import type { Access } from './access.ts';

const REASON_CHARS = 500;

interface Policed {
  readonly policies?: { readonly roles?: ((principal: string) => readonly string[]) | undefined } | undefined;
}

/** The parts of a host by which it knows people, and its record of operations. */
export interface ReaderSources {
  readonly people: { readonly namesOf: (principal: string) => readonly string[] };
  readonly settings: { readonly inForce: () => { readonly tenants: Readonly<Record<string, Policed>> } };
  readonly acts: { readonly keep: (who: Actor, deed: Deed) => unknown };
}

/** The part of a reader by which entries of journals are shown. */
export type Reading = Pick<Reader, 'withheld' | 'stopped'>;

export class Reader {
  readonly #context: ReaderSources;
  readonly #access: Access;
  readonly #route: string;
  readonly #reason: string | undefined;
  readonly #held = new Map<string, readonly string[]>();
  /** The configuration by which these were found: a stream outlives it. */
  #found: unknown;
  /** Runs whose reading was recorded. */
  readonly #recorded = new Set<string>();

  /**
   * @param said the header by which an admin gives a reason
   * @throws CORRAL_FORBIDDEN for a reason of somebody who is not an admin, CORRAL_REQUEST_INVALID for one that cannot be read
   */
  constructor(context: ReaderSources, access: Access, route: Pick<Route, 'method' | 'path'>, said: string | string[] | undefined) {
    this.#context = context;
    this.#access = access;
    this.#route = `${route.method} ${route.path}`;
    this.#reason = said === undefined ? undefined : reasonIn(String(said));
    if (this.#reason !== undefined) access.role('run.private');
  }

  /**
   * Whether the label allows the reader, or an admin's reason does.
   * @param run of which the data is @param names of the label; none: public
   */
  may(run: string, tenant: string, names: Names): boolean {
    return names.length === 0 || mayHear({ private_to: names }, this.names(tenant)) || this.#insists(run, tenant, names);
  }

  /** The answer in place of the data; undefined if the reader may have it. */
  withheld(run: string, tenant: string, names: Names): Withheld | undefined {
    return this.may(run, tenant, names) ? undefined : withheldFrom(names, this.#access.principal.id);
  }

  /** The same for what policies have stopped, whoever the reader is. */
  stopped(run: string, tenant: string, rules: readonly string[]): Withheld | undefined {
    return this.#insists(run, tenant, []) ? undefined : stoppedBy(rules);
  }

  /** Whether a name means the reader. */
  is(tenant: string, name: string): boolean {
    return this.names(tenant).includes(name);
  }

  /** @throws CORRAL_WITHHELD */
  must(run: string, tenant: string, names: Names, what: string): void {
    const why = this.withheld(run, tenant, names);
    if (why !== undefined) throw new CorralError('CORRAL_WITHHELD', `${what} ${why.why} ${why.ask}`);
  }

  /** By what a label may mean the reader: names, the token's id, the person it is for; roles at the front door and of the tenant's policies. */
  names(tenant: string): Names {
    const { people, settings } = this.#context;
    const inForce = settings.inForce();
    if (this.#found !== inForce) this.#held.clear();
    this.#found = inForce;
    const known = this.#held.get(tenant);
    if (known !== undefined) return known;
    const { id, roles } = this.#access.principal;
    const names = people.namesOf(id);
    const own = inForce.tenants[tenant]?.policies?.roles;
    // A name that is `*` would stand for everybody.
    const held = [...names, ...roles, ...names.flatMap((name) => own?.(name) ?? [])].filter((name) => name !== '*');
    this.#held.set(tenant, held);
    return held;
  }

  /** Records the reading before it is allowed: an act that cannot be written down is not done. */
  #insists(run: string, tenant: string, names: Names): boolean {
    const reason = this.#reason;
    if (reason === undefined || !this.#access.may('run.private', tenant)) return false;
    if (this.#recorded.has(run)) return true;
    const target = { run, route: this.#route, private_to: [...names] };
    this.#context.acts.keep(this.#access.principal, { operation: 'read-private', target, reason, tenant, matched: [run] });
    this.#recorded.add(run);
    return true;
  }
}

function reasonIn(said: string): string {
  let reason = '';
  try {
    reason = decodeURIComponent(said).trim();
  } catch {
    // Refused below.
  }
  if (reason !== '' && reason.length <= REASON_CHARS) return reason;
  throw new CorralError(
    'CORRAL_REQUEST_INVALID',
    `\`${PRIVATE_REASON}\` is a reason of at most ${REASON_CHARS} characters, percent-encoded.`,
  );
}
