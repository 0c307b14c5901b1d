/**
 * The record of administrative acts: who did what, when and why, as rows of `operations`. No other module writes them. Each route
 * that changes something is given a recorder; if its handler records nothing, a default row is written, so that a new route
 * cannot leave a gap.
 */
import { hash } from 'node:crypto';
import type { ActName } from '@corral/protocol/api/acts';
import { ANY_TENANT, type Principal, type Role } from '@corral/protocol/api/roles';
import type { Route } from '@corral/protocol/api/route';
import type { ReceiptView } from '@corral/protocol/api/schemas';
import { CorralError } from '@corral/protocol/errors';
import type { Identity } from '@corral/protocol/model/identity';
import type { Json } from '@corral/protocol/json';
import type { Clock, Random } from '@corral/protocol/ports/machine';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import type { FrontStore } from '@corral/protocol/ports/front';

/** The author of an act: a caller over HTTP, the owner of the machine, or the host itself. */
export interface Actor {
  readonly id: string;
  readonly roles: readonly Role[];
}

/** An act, in the terms of the handler that did it. */
export interface Deed {
  /** Its name, or its route where that has none. */
  readonly operation: ActName | `${Route['method']} ${string}`;
  readonly target: Json;
  readonly reason?: string | undefined;
  /** The act was meant to reach all descendants of the runs. */
  readonly family?: boolean;
  /** Undefined: an act on the host. */
  readonly tenant?: string | undefined;
  /** Runs that the act was meant for. */
  readonly matched?: readonly string[];
  readonly receipts?: readonly ReceiptView[];
  readonly refused?: readonly { readonly run: string; readonly code: string; readonly detail: string }[];
}

/** A row of the record, as it is stored and listed. */
export interface Kept {
  readonly id: string;
  readonly at: number;
  readonly by: string;
  readonly who?: Identity;
  readonly roles: Role[];
  readonly operation: string;
  readonly target: Json;
  readonly reason: string;
  readonly dryRun: boolean;
  readonly family?: true;
  readonly config: string;
  readonly matched: string[];
  readonly receipts: ReceiptView[];
  readonly refused: { run: string; code: string; detail: string }[];
}

export class Acts {
  readonly #db: FrontStore;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #random: Random;
  readonly #config: () => string;
  readonly #identity: (principal: string) => Identity | undefined;

  /**
   * @param config gives the version of the configuration in force
   * @param identity gives the person behind a name
   */
  constructor(
    db: FrontStore,
    clock: Pick<Clock, 'now'>,
    random: Random,
    config: () => string,
    identity: (principal: string) => Identity | undefined = () => undefined,
  ) {
    this.#identity = identity;
    this.#db = db;
    this.#clock = clock;
    this.#random = random;
    this.#config = config;
  }

  /** A row that is not stored: also the answer to a dry run. */
  draft(who: Actor, deed: Deed, dryRun = false): Kept {
    const { operation, target, reason = '', family = false, matched = [], receipts = [], refused = [] } = deed;
    const identity = this.#identity(who.id);
    return {
      id: `op_${Buffer.from(this.#random(6)).toString('hex')}`,
      at: this.#clock.now(),
      by: who.id,
      ...(identity === undefined ? {} : { who: identity }),
      roles: [...who.roles],
      operation,
      target,
      reason,
      dryRun,
      ...(family ? { family } : {}),
      config: this.#config(),
      matched: [...matched],
      receipts: [...receipts],
      refused: [...refused],
    };
  }

  /** Stores a row; it is durable on return, or, within `FrontStore.durably`, together with the other writes there. */
  keep(who: Actor, deed: Deed): Kept {
    const row = this.draft(who, deed);
    this.#write(row, deed.tenant);
    return row;
  }

  /** Stores several rows with one sync of the disk. */
  together(work: () => void): void {
    this.#db.durably(work);
  }

  /**
   * Stores a quarantine that policies put up. Its id is computed from it, so that a host which crashes and repeats this stores it
   * once.
   * @param matched the run that led to it, if known
   */
  keepQuarantine({ kind, name, tenant, by, reason, at }: Quarantine, matched: readonly string[]): void {
    const id = `op_${hash('sha256', JSON.stringify([kind, name, tenant ?? null, at])).slice(0, 12)}`;
    const target = { kind, name, tenant: tenant ?? ANY_TENANT };
    this.#write({ ...this.draft({ id: by, roles: [] }, { operation: 'quarantine', target, reason, matched }), id, at }, tenant);
  }

  #write(row: Kept, tenant: string | undefined): void {
    const text = JSON.stringify(row);
    this.#db.durably(() => this.#db.operations.add({ id: row.id, tenant, at: row.at, text }));
  }
}

/** Describes the act of a handler. */
export interface Recorder {
  /** Stores a row; fields that are left out are filled in from the route and the request. */
  (deed: Partial<Deed>): Kept;
  /** Nothing was changed, as in a dry run, so no row is stored. */
  skip(): void;
}

/** The parts of a request from which a default row is filled in. A body may hold secrets and code, so only its reason is read. */
export interface Asked {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

export interface Recording {
  readonly keep: Recorder;
  /** The handler has finished: writes the default row if it recorded nothing. */
  readonly done: () => void;
  /** The handler failed with an unexpected error and may have changed something: a row says so. */
  readonly failed: (error: unknown) => void;
}

/** The recorder of one request. */
export function recorder(acts: Acts, route: Route, who: Principal, asked: Asked): Recording {
  let kept = false;
  const usual = (): Deed => ({
    operation: typeof route.act === 'string' ? route.act : `${route.method} ${route.path}`,
    target: { ...(asked.params as Record<string, Json> | undefined) },
    reason: word(asked.body, 'reason') ?? word(asked.query, 'reason'),
    tenant: word(asked.body, 'tenant') ?? word(asked.query, 'tenant') ?? (who.tenant === ANY_TENANT ? undefined : who.tenant),
  });
  const keep = (deed: Partial<Deed>) => {
    const row = acts.keep(who, { ...usual(), ...deed });
    kept = true;
    return row;
  };
  const skip = () => {
    kept = true;
  };
  const done = () => {
    if (typeof route.act === 'string' && !kept) keep({});
  };
  const failed = (error: unknown) => {
    if (typeof route.act !== 'string' || kept || (error instanceof CorralError && error.audience !== 'bug')) return;
    const detail = 'Corral failed at this; its log says how. Whether it was done is not known.';
    try {
      keep({ refused: [{ run: word(asked.params, 'run') ?? '', code: 'CORRAL_INTERNAL', detail }] });
    } catch {
      // The caller is sent the original failure, not this one.
    }
  };
  return { keep: Object.assign(keep, { skip }), done, failed };
}

function word(from: unknown, name: string): string | undefined {
  if (typeof from !== 'object' || from === null) return undefined;
  const value: unknown = Reflect.get(from, name);
  return typeof value === 'string' ? value : undefined;
}
