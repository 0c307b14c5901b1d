/**
 * The host behind the front door: implements the port by the supervisor and its store. No other module of this package knows
 * either.
 */
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import {
  contextOf,
  decidedIn,
  privateIn,
  ProfileTrainer,
  arrivedFor,
  quotesOf,
  PeakFindings,
  read,
  stuckOf,
  type Profiles,
  type Supervisor,
  type TenantOptions,
} from '@corral/supervisor';
import type { HostPort } from './ports.ts';
import { breathe } from './evidence/serial-queue.ts';
import { pagesOf } from './evidence/pages.ts';
import { upkeepOf, type UpkeepOptions } from './evidence/upkeep.ts';

type Tenants = Readonly<Record<string, TenantOptions>>;

/** Calls of one run that a profile learns from, at most. */
const CALLS_LEARNED = 5000;
/** Entries of a journal that are read at a time. */
const PAGE = 50;

/** Collaborators of work on evidence, besides the supervisor and the store. */
type Beside = Pick<UpkeepOptions, 'clock' | 'image' | 'laboratory'>;

export function hostOf(supervisor: Supervisor, store: Store, tenants: Tenants, profiles: Profiles, beside: Beside): HostPort {
  let offered = tenants;
  /** Reads page by page, so that a long journal does not block the host. */
  const each = async (run: RunId, take: (entry: Entry) => boolean) => {
    for await (const page of pagesOf((...of) => store.journal(...of), run, PAGE)) {
      for (const entry of page) if (!take(entry)) return;
      await breathe();
    }
  };
  return {
    async deploy(tenant, source, describing, source_map) {
      const [manifests] = await supervisor.describe([describing], tenant);
      return supervisor.deploy(tenant, source, manifests, source_map);
    },
    sender: (...of) => supervisor.sender(...of),
    services: (tenant) => supervisor.services.offered(tenant),
    inputRefusal: (job) => supervisor.inputRefusal(job),
    async submit(job) {
      await supervisor.submit(job);
    },
    async operate(operation, run, by, reason, family = false, halt = undefined) {
      const { control, families } = supervisor;
      if (family && (operation === 'pause' || operation === 'resume')) return families[operation](run, by, reason);
      return operation === 'resume' ? control.resume(run, by, reason, { halt }) : control[operation](run, by, reason);
    },
    resolve: (...said) => supervisor.control.resolve(...said),
    upgrade: (...to) => supervisor.control.upgrade(...to),
    release: (run, by, reason) => supervisor.control.release(run, by, reason),
    view: (run) => supervisor.view(run),
    views: () => supervisor.runs(),
    cells: () => supervisor.cells(),
    cellDetails: () => supervisor.cellDetails(),
    nodes: (most) => store.nodes(most),
    node: () => supervisor.node,
    holders: (tenant, most) => supervisor.holders(tenant, most),
    toolBreakers() {
      const behind = beside.clock.now() - beside.clock.monotonic();
      return supervisor.toolBreakers().map((one) => ({ ...one, since: one.since + behind, until: one.until + behind }));
    },
    tenant: (tenant) => supervisor.tenant(tenant),
    async waitingOn(waiting) {
      const here = () => supervisor.runs().filter((view) => view.outcome === undefined && view.waiting === waiting);
      // Taken before and after the read: a run may leave memory, or come back to it, while the store is asked.
      const before = here().map(({ id }) => id);
      const parked = await store.parkedOn(waiting);
      const resident = new Set(supervisor.runs().map(({ id }) => id));
      const away = [...before, ...parked].filter((id) => !resident.has(id));
      return [...new Set([...away, ...here().map(({ id }) => id)])];
    },
    stored: (run) => store.run(run),
    everyRun: () => store.runs({ limit: Number.MAX_SAFE_INTEGER }),
    children: (run) => store.runs({ parent: run }),
    journal: (run, after, limit) => store.journal(run, after, limit),
    arrived: async (run) => supervisor.arrived(run) ?? arrivedFor(store, run),
    hashes: (run, after, limit) => store.hashes(run, after, limit),
    async lastHash(run) {
      const seq = (await store.run(run))?.seq ?? 0;
      return seq === 0 ? undefined : (await store.hashes(run, seq - 1, 1))[0];
    },
    context: (run, most) => contextOf(store, run, most),
    privateIn: (run) => privateIn(store, run),
    decisions: (after, limit) => store.decisions(after, limit),
    decidedIn: (run) => decidedIn(store, run),
    grants: (run) => store.grants(run),
    async lesson(run) {
      const stored = await store.run(run);
      // A program is another one each time, so it says nothing about what its agent usually does.
      if (stored === undefined || stored.record.program !== undefined) return undefined;
      const lesson = new ProfileTrainer(stored.record);
      await each(run, (entry) => {
        lesson.take(entry);
        return lesson.calls.length < CALLS_LEARNED;
      });
      return lesson.calls;
    },
    async peaks(run) {
      const stored = await store.run(run);
      if (stored === undefined) return [];
      const peaks = new PeakFindings(stored.record, profiles, stored.checkpoint);
      await each(run, (entry) => {
        peaks.take(entry);
        return true;
      });
      return peaks.all;
    },
    resting: () => supervisor.loops.breakers.resting(),
    hasBundle: async (bundle) => (await store.bundle(bundle)) !== undefined,
    tools: (tenant) => offered[tenant]?.tools ?? [],
    stuck: async (run) => stuckOf((await read(store, run)).ledger),
    underWay: (runs) => supervisor.underWay(runs),
    approvals: (filter) => supervisor.approvals(filter),
    quotes: quotesOf,
    decide: (...said) => supervisor.control.decide(...said),
    withdraw: (...said) => supervisor.control.withdraw(...said),
    standing: async (run) => (await read(store, run)).ledger.approvals,
    answer: (...said) => supervisor.control.answer(...said),
    holder: (grant) => store.holder(grant),
    revocable: (grant) => supervisor.stops.revocable(grant),
    revoke: (grant, by, reason) => supervisor.stops.revoke(grant, by, reason),
    takeTool: (taking, by, reason) => supervisor.stops.takeTool(taking, by, reason),
    settled: () => supervisor.stops.settled(),
    shadows: () => supervisor.tenantPolicies.shadows(),
    quarantines: () => supervisor.stops.quarantines(),
    quarantine: (kind, name, by, reason, tenant) => supervisor.stops.quarantine(kind, name, by, reason, { tenant }),
    lift: (...said) => supervisor.stops.lift(...said),
    against: (run, version) => supervisor.stops.against(run, version),
    againstTool: (tenant, name) => supervisor.stops.againstTool(tenant, name),
    spend: (filter) => store.spend(filter),
    usage: (wanted) => store.usage(wanted),
    spendBounds: (tenant) => offered[tenant]?.spend,
    configure(next) {
      offered = next;
      supervisor.configure(next);
    },
    upkeep: upkeepOf({
      ...beside,
      store,
      fork: (request) => supervisor.fork(request),
    }),
    stalls: () => supervisor.stalls,
    load: () => supervisor.load(),
    observe: (observer) => supervisor.observe(observer),
    drain: (within_ms) => supervisor.drain(within_ms),
    close: () => supervisor.close(),
  };
}
