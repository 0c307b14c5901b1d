/** The tables, and the migrations that lead to them. A released step is never changed. */
import type { DatabaseSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';
import { migrateBy } from '../core/migrate.ts';

export const STEPS: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE bundles (digest TEXT PRIMARY KEY, source TEXT NOT NULL, source_hash BLOB NOT NULL, source_map TEXT) WITHOUT ROWID;
  CREATE TABLE versions (version TEXT PRIMARY KEY, bundle TEXT NOT NULL, name TEXT NOT NULL, manifest TEXT NOT NULL) WITHOUT ROWID;

  -- n is the short name of a run within this database. What changes with every crank is not here but in the journal, so that
  -- a crank writes one row at the end of one table; a run's sequence, hash and what it waits on are its last entry's.
  CREATE TABLE runs (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    parent TEXT,
    lifecycle TEXT NOT NULL,
    control TEXT NOT NULL,
    -- what kind of outcome, in the clear, and the whole of it, sealed
    outcome_kind TEXT,
    outcome BLOB,
    ended_at INTEGER,
    end_hash BLOB,
    restored INTEGER NOT NULL DEFAULT 0,
    erased_at INTEGER,
    pruned_at INTEGER,
    -- entries before this one are forgotten, a checkpoint standing for them
    pruned_seq INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL,
    inbox_seq INTEGER NOT NULL,
    checkpoint INTEGER NOT NULL,
    -- what its last host knew of it, while it is parked
    ledger BLOB,
    -- 1: in nobody's memory
    parked INTEGER NOT NULL,
    -- why it is quarantined although its journal does not say so
    damage TEXT,
    created_at INTEGER NOT NULL
  );
  CREATE INDEX runs_kept ON runs (tenant, ended_at) WHERE lifecycle = 'ended' AND pruned_at IS NULL;
  CREATE INDEX runs_segments ON runs (tenant, n) WHERE checkpoint > pruned_seq AND lifecycle <> 'ended';
  CREATE INDEX runs_erased ON runs (n) WHERE erased_at IS NOT NULL AND pruned_at IS NULL;
  CREATE INDEX runs_held ON runs (n) WHERE parked = 0 AND lifecycle <> 'ended';
  CREATE INDEX runs_queued ON runs (n) WHERE parked = 1 AND lifecycle = 'queued';
  CREATE INDEX runs_parent ON runs (parent) WHERE parent IS NOT NULL;
  -- Written once and never moved, so that no stray copy of a key is left on a page; key: wrapped by that version of the tenant's.
  CREATE TABLE records (n INTEGER PRIMARY KEY, version INTEGER NOT NULL, key BLOB, record BLOB NOT NULL);
  CREATE TABLE blobs (b INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL UNIQUE, data BLOB NOT NULL);
  CREATE TABLE refs (run INTEGER NOT NULL, seq INTEGER NOT NULL, blob INTEGER NOT NULL, PRIMARY KEY (run, seq, blob)) WITHOUT ROWID;
  CREATE INDEX refs_blob ON refs (blob);

  CREATE TABLE journal (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    cpu_us INTEGER NOT NULL,
    waiting TEXT NOT NULL,
    hash BLOB NOT NULL,
    body BLOB NOT NULL
  );
  CREATE UNIQUE INDEX journal_run ON journal (run, seq);

  CREATE TABLE inbox (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    sender TEXT NOT NULL,
    key TEXT NOT NULL,
    delivery BLOB NOT NULL,
    PRIMARY KEY (run, seq)
  ) WITHOUT ROWID;

  CREATE TABLE timers (run INTEGER NOT NULL, id INTEGER NOT NULL, due INTEGER NOT NULL, PRIMARY KEY (run, id)) WITHOUT ROWID;
  CREATE INDEX timers_due ON timers (due);
  CREATE TABLE seen (fact TEXT PRIMARY KEY, value REAL NOT NULL);
  CREATE TABLE quarantines (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    lifted_by TEXT,
    lifted_at INTEGER
  );
  CREATE INDEX quarantines_standing ON quarantines (kind, name) WHERE lifted_at IS NULL;
  CREATE TABLE eras (era INTEGER PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL);

  CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    parent TEXT,
    holder TEXT NOT NULL,
    data TEXT NOT NULL,
    used INTEGER NOT NULL,
    revoked INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX grants_holder ON grants (holder);
  CREATE INDEX grants_parent ON grants (parent) WHERE parent IS NOT NULL;
  `,
  `
  -- How many hosts, one after the other, died while they held the run and before it made another entry; and the last that took it.
  ALTER TABLE runs ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE runs ADD COLUMN claimed_era INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX runs_tried ON runs (n) WHERE attempts > 0;
  `,
  `
  -- What else is counted of a grant, and what a person said who took it back.
  ALTER TABLE grants ADD COLUMN sent_bytes INTEGER;
  ALTER TABLE grants ADD COLUMN rested_at REAL;
  ALTER TABLE grants ADD COLUMN revoked_by TEXT;
  ALTER TABLE grants ADD COLUMN revoked_why TEXT;
  ALTER TABLE grants ADD COLUMN revoked_at INTEGER;
  `,
  `
  -- What runs were asked by others and have not answered: the requester's name and effect, the receiver's short name, its inbox.
  CREATE TABLE requests (requester TEXT NOT NULL, id INTEGER NOT NULL, receiver INTEGER NOT NULL, item INTEGER NOT NULL, PRIMARY KEY (requester, id)) WITHOUT ROWID;
  CREATE INDEX requests_receiver ON requests (receiver);
  -- Services of tenants, and the run that is an instance of one, by the digest of its key.
  CREATE TABLE services (tenant TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, PRIMARY KEY (tenant, name)) WITHOUT ROWID;
  CREATE TABLE instances (id TEXT PRIMARY KEY, run TEXT NOT NULL) WITHOUT ROWID;
  `,
  `
  -- Whose bundle a service belongs to; which service an instance is of, by its digest, and whether its run goes on.
  ALTER TABLE services ADD COLUMN owner TEXT;
  ALTER TABLE instances ADD COLUMN service TEXT;
  ALTER TABLE instances ADD COLUMN live INTEGER NOT NULL DEFAULT 1;
  UPDATE instances SET live = 0 WHERE run IN (SELECT id FROM runs WHERE lifecycle = 'ended');
  CREATE INDEX instances_run ON instances (run);
  CREATE INDEX instances_live ON instances (service) WHERE live = 1;
  CREATE INDEX instances_last ON instances (run) WHERE live = 0;
  `,
  `
  -- Where a quarantine stands alone; without one, a version is stopped in every tenant.
  ALTER TABLE quarantines ADD COLUMN tenant TEXT;
  `,
  `
  -- When a delivery came; since then its receiver has waited for the host.
  ALTER TABLE inbox ADD COLUMN at INTEGER;
  -- Whether a run waits for people, so that what they are asked is found without a walk over all that live.
  ALTER TABLE runs ADD COLUMN asking INTEGER NOT NULL DEFAULT 0;
  UPDATE runs SET asking = 1 WHERE lifecycle <> 'ended' AND
    (SELECT waiting FROM journal WHERE run = n ORDER BY seq DESC LIMIT 1) IN ('approval', 'resolution');
  CREATE INDEX runs_asking ON runs (n) WHERE asking = 1;
  CREATE INDEX runs_stopped ON runs (n) WHERE parked = 1 AND control = 'quarantined' AND lifecycle <> 'ended';
  `,
  `
  -- The record of the host: leaves of a Merkle log, written once; what waits to become one; how far the log has got.
  CREATE TABLE log (n INTEGER PRIMARY KEY, leaf TEXT NOT NULL, hash BLOB NOT NULL);
  CREATE TABLE log_due (n INTEGER PRIMARY KEY AUTOINCREMENT, leaf TEXT NOT NULL);
  CREATE TABLE log_state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  `,
  `
  -- What tenants, agents and people spent by the day, and have reserved for calls that have no answer yet.
  CREATE TABLE accounts (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    day TEXT NOT NULL,
    money_spent NUMERIC NOT NULL,
    money_reserved NUMERIC NOT NULL,
    tokens_spent NUMERIC NOT NULL,
    tokens_reserved NUMERIC NOT NULL,
    calls_spent NUMERIC NOT NULL,
    calls_reserved NUMERIC NOT NULL,
    PRIMARY KEY (day, tenant, kind, name)
  ) WITHOUT ROWID;
  `,
  `
  -- 1: parked, and held until somebody lets it go on; what comes for it does not bring it into memory.
  ALTER TABLE runs ADD COLUMN still INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- An era is the time that a node was at work, from its join; runs.claimed_era says which node holds a run, or held it last. The lease
  -- is when the node counts as dead unless it says something, by the clock of the store; 0: it is dead for good. lease_ms: how far a beat
  -- moves it; NULL: it never runs out. away_from: since when nobody had been at work when the node joined; NULL: somebody was.
  ALTER TABLE eras ADD COLUMN node TEXT NOT NULL DEFAULT 'embedded';
  ALTER TABLE eras ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE eras ADD COLUMN lease_ms INTEGER;
  ALTER TABLE eras ADD COLUMN away_from INTEGER;
  UPDATE eras SET away_from = (SELECT until FROM eras AS earlier WHERE earlier.era < eras.era ORDER BY earlier.era DESC LIMIT 1);
  CREATE INDEX IF NOT EXISTS runs_owned ON runs (claimed_era) WHERE parked = 0 AND lifecycle <> 'ended';
  `,
  `
  -- The form of a waiting delivery, see core/mailbox.ts. 1: sealed under its number. 2: sealed under its sender and key, so that it can be
  -- sealed before it has a number. 0: not sealed, a refusal that the store words when it is read.
  ALTER TABLE inbox ADD COLUMN format INTEGER NOT NULL DEFAULT 1;
  `,
  `
  -- Times in which the node that held a run was dead and no other had taken it.
  CREATE TABLE absences (run INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (run, since)) WITHOUT ROWID;
  `,
  `
  -- What has changed for all nodes, the last ones only: quarantines, services, or grants that were revoked, by their ids.
  CREATE TABLE changes (version INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT);
  `,
  `
  -- Payloads that were stored and that no entry refers to yet, and since when (milliseconds since 1970).
  CREATE TABLE unnamed (blob INTEGER PRIMARY KEY, since INTEGER NOT NULL);
  `,
  `
  -- The version that an upgrade moved a run to; NULL: it is on the version of its admission, or was moved by an older Corral.
  ALTER TABLE runs ADD COLUMN moved_to TEXT;
  `,
  `
  -- The blobs that a blob lists, which are kept for as long as it is: a large payload is cut into parts, and entries refer to its root.
  CREATE TABLE parts (blob INTEGER NOT NULL, part INTEGER NOT NULL, PRIMARY KEY (blob, part)) WITHOUT ROWID;
  CREATE INDEX parts_part ON parts (part);
  `,
  `
  -- What calls cost by the day, by tenant, agent, person and tool; the four are numbered, so that a sum over all rows of a month is a walk over
  -- short ones. Sums by one of them alone are rows of accounts, in which tools are a kind of their own.
  CREATE TABLE spenders (
    n INTEGER PRIMARY KEY, tenant TEXT NOT NULL, agent TEXT NOT NULL, person TEXT NOT NULL, tool TEXT NOT NULL,
    UNIQUE (tenant, agent, person, tool));
  CREATE TABLE usage (
    spender INTEGER NOT NULL, day TEXT NOT NULL, money NUMERIC NOT NULL, tokens NUMERIC NOT NULL, calls NUMERIC NOT NULL,
    PRIMARY KEY (spender, day)) WITHOUT ROWID;
  CREATE INDEX usage_days ON usage (day);
  `,
  `
  -- The grants to tools that runs hold which have not ended, without those that were revoked, themselves or above.
  CREATE TABLE holdings (
    tool TEXT NOT NULL, tenant TEXT NOT NULL, run INTEGER NOT NULL, "grant" TEXT NOT NULL, PRIMARY KEY (tool, tenant, run, "grant")) WITHOUT ROWID;
  WITH RECURSIVE gone (id) AS (
    SELECT id FROM grants WHERE revoked = 1 UNION SELECT grants.id FROM gone JOIN grants ON grants.parent = gone.id)
  INSERT INTO holdings (tool, tenant, run, "grant")
    SELECT data ->> '$.target.tool', tenant, n, grants.id FROM runs CROSS JOIN grants ON holder = runs.id
    WHERE lifecycle <> 'ended' AND data ->> '$.target.tool' IS NOT NULL AND grants.id NOT IN (SELECT id FROM gone);
  `,
  `
  -- The calls of runs that people decided about, one row for each entry that says so, in the order of their commits. Call 0: of a run from before,
  -- whose journal has some.
  CREATE TABLE decided (n INTEGER PRIMARY KEY, run INTEGER NOT NULL, call INTEGER NOT NULL);
  CREATE INDEX decided_of ON decided (run, call);
  INSERT INTO decided (run, call) SELECT DISTINCT run, 0 FROM journal WHERE waiting IN ('approval', 'resolution');
  `,
];

/**
 * Refuses a database whose schema is not the current one.
 * @throws CORRAL_DATA_VERSION if a newer Corral wrote it, or an older one and it has not been migrated
 */
export function mustBeCurrent(db: DatabaseSync): void {
  const { user_version: have } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (have === STEPS.length) return;
  const what = `The data folder has schema ${have}; this Corral reads schema ${STEPS.length}.`;
  throw new CorralError('CORRAL_DATA_VERSION', have > STEPS.length ? what : `${what} Starting a host on a copy brings that up to date.`);
}

/** @throws CORRAL_DATA_VERSION if a newer Corral wrote it */
export const migrate = (db: DatabaseSync): void => migrateBy(STEPS, db, 'The data folder');
