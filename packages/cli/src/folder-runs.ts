/** The runs of a data folder on which no host runs, in the form in which a host lists them, as far as the store knows it. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { many, type RunSelector } from '@corral/protocol/api/selector';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import { didYouMean } from '@corral/protocol/nearest';
import type { StoredRun } from '@corral/protocol/ports/store';
import type { SqliteStore } from '@corral/store/sqlite';
import { withReading } from './folder.ts';

type Summary = RouteAnswer<'listRuns'>['items'][number];
/** A run of a folder. Fields that only a host knows are null. */
export type FolderRun = Pick<
  Summary,
  | 'run'
  | 'tenant'
  | 'agent'
  | 'key'
  | 'version'
  | 'parent'
  | 'principal'
  | 'lifecycle'
  | 'control'
  | 'residency'
  | 'waiting'
  | 'waiting_for'
  | 'on_cpu'
  | 'ended_as'
  | 'created_at'
  | 'ended_at'
> & { readonly cpu_ms: null; readonly calls: null; readonly left: null; readonly tokens: 0; readonly money_micros: 0 };

export interface FolderPage {
  readonly items: readonly FolderRun[];
  readonly next: string | null;
  /** Damaged runs, which cannot be opened. Erased ones are no longer listed. */
  readonly unreadable: number;
}

export interface FolderQuery extends Pick<RunSelector, 'waiting' | 'older_than_ms' | 'since' | 'until' | 'agent' | 'tenant'> {
  readonly live: boolean;
  readonly control?: 'paused' | undefined;
  readonly ended_as?: string | undefined;
  readonly q?: string | undefined;
  readonly limit: number;
  /** The last run of the page before. */
  readonly cursor?: string | undefined;
}

/** Runs that are opened at a time. */
const PAGE = 200;

/**
 * Newest first, with the filters of a host's list.
 * @param now milliseconds since 1970
 * @throws CORRAL_DATA_UNUSABLE, CORRAL_AGENT_UNKNOWN, CORRAL_TENANT_UNKNOWN
 */
export function runsInFolder(data: string, query: FolderQuery, now: number): Promise<FolderPage> {
  return withReading(data, async (store) => {
    const ids = await allIds(store);
    const from = query.cursor === undefined ? ids.length : ids.indexOf(query.cursor as RunId);
    const items: FolderRun[] = [];
    const agents = new Set<string>();
    const tenants = new Set<string>();
    let unreadable = 0;
    for (let end = from; end > 0 && items.length <= query.limit; end -= PAGE) {
      const among = ids.slice(Math.max(0, end - PAGE), end);
      const runs = await store.runs({ among, limit: PAGE });
      unreadable += among.length - runs.length;
      for (const stored of runs.toReversed()) {
        agents.add(stored.record.agent);
        tenants.add(stored.record.tenant);
        if (matches(stored, query, now)) items.push(shown(stored));
      }
    }
    if (items.length === 0) mustBeThere(query, agents, tenants);
    const page = items.slice(0, query.limit);
    return { items: page, next: items.length > page.length ? (page.at(-1)?.run ?? null) : null, unreadable };
  });
}

/** In the order of admission. */
export async function allIds(store: SqliteStore): Promise<RunId[]> {
  const all: RunId[] = [];
  for (;;) {
    const after = all.at(-1);
    const page = await store.ids(after === undefined ? {} : { after });
    if (page.length === 0) return all;
    all.push(...page);
  }
}

/** Refuses a name that no run has: an empty list would look like an answer. */
function mustBeThere({ agent: wanted, tenant }: FolderQuery, agents: ReadonlySet<string>, tenants: ReadonlySet<string>): void {
  if (tenant !== undefined && !tenants.has(tenant))
    throw new CorralError('CORRAL_TENANT_UNKNOWN', `This folder has no runs of a tenant ${tenant}.${didYouMean(tenant, tenants)}`);
  for (const agent of many(wanted) ?? [])
    if (!agents.has(agent))
      throw new CorralError('CORRAL_AGENT_UNKNOWN', `This folder has no runs of an agent ${agent}.${didYouMean(agent, agents)}`);
}

function matches({ record, status }: StoredRun, query: FolderQuery, now: number): boolean {
  const { live, tenant, older_than_ms, since, until, q } = query;
  const [agent, waiting] = [many(query.agent), many(query.waiting)];
  const { control, ended_as } = query;
  const ended = status.outcome === undefined ? undefined : outcomeText(status.outcome);
  const texts = [record.id, record.agent, record.principal, ended ?? ''];
  return (
    (!live || status.lifecycle !== 'ended') &&
    (agent === undefined || agent.includes(record.agent)) &&
    (tenant === undefined || record.tenant === tenant) &&
    (control === undefined || status.control === control) &&
    (waiting === undefined || (status.lifecycle !== 'ended' && waiting.includes(status.waiting))) &&
    (ended_as === undefined || ended?.startsWith(ended_as) === true) &&
    (older_than_ms === undefined || record.created_at <= now - older_than_ms) &&
    (until === undefined || record.created_at < until) &&
    (since === undefined || status.ended_at === undefined || status.ended_at >= since) &&
    (q === undefined || texts.some((text) => text.toLowerCase().includes(q.toLowerCase())))
  );
}

function shown({ record, version, status }: StoredRun): FolderRun {
  const { id, tenant, agent, parent, principal, service, created_at } = record;
  const { lifecycle, control, waiting, outcome, ended_at } = status;
  return {
    run: id,
    tenant,
    agent,
    key: service?.key ?? null,
    version,
    parent: parent?.run ?? null,
    principal,
    lifecycle,
    control,
    // No host holds a run of this folder in memory.
    residency: 'parked',
    waiting,
    waiting_for: waiting === 'nothing' ? '' : waiting,
    on_cpu: false,
    ended_as: outcome === undefined ? null : outcomeText(outcome),
    created_at,
    ended_at: ended_at ?? null,
    cpu_ms: null,
    calls: null,
    left: null,
    tokens: 0,
    money_micros: 0,
  };
}
