/**
 * The record of administrative acts: who did what, when and why, as rows of `operations`. This is the only place that writes
 * them. Each route that changes something is given a recorder; a handler which says nothing leaves a row all the same, so that
 * a new route cannot forget.
 */
import { hash } from 'node:crypto';
import { ANY_TENANT, type Principal, type Role } from '@corral/protocol/api/roles';
import type { Route } from '@corral/protocol/api/route';
import type { ReceiptView } from '@corral/protocol/api/schemas';
import { CorralError } from '@corral/protocol/errors';
import type { Identity } from '@corral/protocol/identity';
import type { Json } from '@corral/protocol/json';
import type { Clock, Random } from '@corral/protocol/ports';
import type { Quarantine } from '@corral/protocol/store';
import type { FrontStore } from './store/front.ts';

/** Somebody who acts: over HTTP, at the machine, or the host itself. */
export interface Actor {
  readonly id: string;
  readonly roles: readonly Role[];
}

/** What was done, as whoever did it describes it. */
export interface Deed {
  readonly operation: string;
  readonly target: Json;
  readonly reason?: string | undefined;
  /** It was to reach all that descends from the runs. */
  readonly family?: boolean;
  /** Undefined: of the host. */
  readonly tenant?: string | undefined;
  /** Runs that it was meant for. */
  readonly matched?: readonly string[];
  readonly receipts?: readonly ReceiptView[];
  readonly refused?: readonly { readonly run: string; readonly code: string; readonly detail: string }[];
}

/** A row of the record, as it is kept and listed. */
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

  /** @param config version of the configuration in force; `identity`: who stands behind a name */
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

  /** A row that is not kept yet: the answer to a dry run, too. */
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

  /** Durable when it returns; within `FrontStore.durably`, with whatever else is written there. */
  keep(who: Actor, deed: Deed): Kept {
    const row = this.draft(who, deed);
    this.#write(row, deed.tenant);
    return row;
  }

  /** Several rows with one wait for the disk. */
  together(work: () => void): void {
    this.#db.durably(work);
  }

  /**
   * Keeps a quarantine that policies put up. Its id is made from it, so that it is kept once however often a host that died is told.
   * @param matched the run that led to it, where that is known
   */
  keepQuarantine({ kind, name, tenant, by, reason, at }: Quarantine, matched: readonly string[]): void {
    const id = `op_${hash('sha256', JSON.stringify([kind, name, tenant ?? null, at])).slice(0, 12)}`;
    const target = { kind, name, tenant: tenant ?? ANY_TENANT };
    this.#write({ ...this.draft({ id: by, roles: [] }, { operation: 'quarantine', target, reason, matched }), id, at }, tenant);
  }

  #write(row: Kept, tenant: string | undefined): void {
    const text = JSON.stringify(row);
    this.#db.durably(() =>
      this.#db.run('INSERT OR IGNORE INTO operations (id, tenant, at, result) VALUES (?, ?, ?, ?)', row.id, tenant ?? null, row.at, text),
    );
  }
}

/** What a handler is given to describe its act with. */
export interface Recorder {
  /** Keeps a row; what is left out is taken from the route and the request. */
  (deed: Partial<Deed>): Kept;
  /** Nothing was changed, as by a dry run, so there is nothing to keep. */
  skip(): void;
}

/** What of a request a row says where its handler says nothing. Bodies may hold secrets and code, so only their reason is read. */
export interface Asked {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

export interface Recording {
  readonly keep: Recorder;
  /** Its handler is through: makes sure that a row was kept. */
  readonly done: () => void;
  /** Its handler failed in a way that nobody foresaw, so that it may have done something: a row says that much. */
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
      // What is told is the failure itself.
    }
  };
  return { keep: Object.assign(keep, { skip }), done, failed };
}

function word(from: unknown, name: string): string | undefined {
  if (typeof from !== 'object' || from === null) return undefined;
  const value: unknown = Reflect.get(from, name);
  return typeof value === 'string' ? value : undefined;
}
