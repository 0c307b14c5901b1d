/** Runs: submitted, listed, shown from every side, and their lost calls settled. */
import type { RunTree } from '@corral/protocol/api/schemas';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { RunView } from '@corral/supervisor';
import type { Door } from '../door.ts';
import { callsOf, entryView, explain, messagesOf } from '../journal.ts';
import type { RunRow } from '../store/runs.ts';
import { findRun, type Handlers } from './handler.ts';

type Names = 'submitRun' | 'listRuns' | 'showRun' | 'runTree' | 'whyRun' | 'runCalls' | 'runMessages' | 'runJournal' | 'resolveCall';

/** How often somebody who waits for more of a journal is served. */
const LOOK_MS = 100;
/** Entries of a journal that are read at once. */
const PAGE = 200;

export function runRoutes(door: Door): Handlers<Names> {
  const { host, index, projection, submissions, clock } = door;
  const pause = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));

  /** What a row of a list says: from memory while it lives, from the index afterwards. */
  const summary = (row: RunRow, view: RunView | undefined) => ({
    run: row.id as RunId,
    tenant: row.tenant as never,
    agent: row.agent,
    version: row.version as never,
    parent: row.parent as RunId | null,
    principal: row.principal,
    config: row.config,
    lifecycle: row.ended_as === null ? (view?.lifecycle ?? 'queued') : ('ended' as const),
    control: view?.control ?? ('none' as const),
    residency: view?.residency ?? ('parked' as const),
    waiting: view?.waiting ?? ('nothing' as const),
    waiting_for: view?.waitingFor ?? '',
    on_cpu: view?.on_cpu ?? false,
    ended_as: row.ended_as,
    created_at: row.created_at,
    ended_at: row.ended_at,
    age_ms: view?.age_ms ?? (row.ended_at === null ? 0 : Math.max(0, row.ended_at - row.created_at)),
    cpu_ms: view?.cpu_ms ?? row.cpu_ms,
    heap_kib: view?.heap_kib ?? 0,
    calls: view?.calls ?? row.calls,
    open_calls: view?.open_calls ?? 0,
    left: view?.left ?? null,
  });
  const summaryOf = (row: RunRow) => summary(row, row.ended_as === null ? host.view(row.id as RunId) : undefined);

  async function* pagesOf(run: RunId) {
    for (let after = 0; ;) {
      const page = await host.journal(run, after, PAGE);
      yield page;
      if (page.length < PAGE) return;
      after = page.at(-1)?.seq ?? after;
    }
  }

  const treeOf = (row: RunRow, depth: number): RunTree => {
    const { run, agent, lifecycle, control, ended_as } = summaryOf(row);
    // A generation more than any run may have.
    const children = depth > 65 ? [] : index.children(row.id).map((child) => treeOf(child, depth + 1));
    return { run, agent, lifecycle, control, ended_as, children };
  };

  return {
    async submitRun({ body, headers }, { access, reply }) {
      const tenant = access.one('run.submit', body.tenant);
      const { agent, input, ceilings, budget } = body;
      const { run, replayed } = await submissions.submit(
        { tenant, agent, input, ...(ceilings === undefined ? {} : { ceilings }), ...(budget === undefined ? {} : { budget }) },
        access.principal.id,
        headers['idempotency-key'],
      );
      if (replayed) {
        // The same answer, and a header that says so; the store may know a run that was not listed yet.
        reply.header('idempotent-replayed', 'true');
        const stored = await host.stored(run);
        if (stored !== undefined) index.add(stored.record, door.settings.inForce().version);
      }
      reply.header('location', `/v1/runs/${run}`);
      return summaryOf(index.get(run) as RunRow);
    },

    async listRuns({ query }, { access }) {
      const { lifecycle, control, live, tenant, ...rest } = query;
      const among =
        control === undefined && (lifecycle === undefined || lifecycle === 'ended')
          ? undefined
          : host
              .views()
              .filter(
                (view) => (control === undefined || view.control === control) && (lifecycle === undefined || view.lifecycle === lifecycle),
              )
              .map(({ id }) => id);
      const ended = live === undefined ? (lifecycle === undefined ? undefined : lifecycle === 'ended') : !live;
      const { rows, next } = index.search({ ...rest, tenant: access.some('run.read', tenant), ended, among });
      return { items: rows.map((row) => summaryOf(row)), next };
    },

    async showRun({ params, query }, { access }) {
      let row = findRun(door, access, 'run.read', params.run);
      if (row.ended_as === null && query.wait_ms !== undefined && query.wait_ms > 0 && host.view(params.run) !== undefined) {
        await projection.waitForEnd(row.id, query.wait_ms);
        row = findRun(door, access, 'run.read', params.run);
      }
      const stored = await host.stored(params.run);
      if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${params.run} here.`);
      const { record, status, seq } = stored;
      const payloads = access.may('run.payload', row.tenant);
      const outcome = status.outcome ?? null;
      return {
        ...summaryOf(row),
        outcome: outcome?.kind === 'completed' && !payloads ? { ...outcome, output: null } : outcome,
        input: payloads ? record.input : null,
        ceilings: { ...record.ceilings },
        budget: { ...record.budget },
        caps: record.caps.map(({ alias, cap, grant }) => ({ alias, cap, grant })),
        journal_entries: seq,
      };
    },

    async runTree({ params }, { access }) {
      return treeOf(findRun(door, access, 'run.read', params.run), 0);
    },

    async whyRun({ params }, { access }) {
      findRun(door, access, 'run.read', params.run);
      const stored = await host.stored(params.run);
      if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${params.run} here.`);
      return { run: params.run, ...(await explain(stored.status, host.view(params.run), pagesOf(params.run))) };
    },

    async runCalls({ params }, { access }) {
      findRun(door, access, 'run.payload', params.run);
      return { items: await callsOf(pagesOf(params.run)) };
    },

    async runMessages({ params }, { access }) {
      findRun(door, access, 'run.payload', params.run);
      return { items: [...(await messagesOf(pagesOf(params.run)))] };
    },

    async runJournal({ params, query }, { access, request }) {
      findRun(door, access, 'run.payload', params.run);
      const until = clock.monotonic() + (query.wait_ms ?? 0);
      for (;;) {
        // Asked first: an end that comes in between is seen at the next look.
        const over = index.get(params.run)?.ended_as !== null;
        const entries = await host.journal(params.run, query.after, query.limit + 1);
        if (entries.length > 0 || over || clock.monotonic() >= until || door.draining() || request.raw.destroyed) {
          const page = entries.slice(0, query.limit);
          return { items: page.map((entry) => entryView(entry)), next: entries.length > page.length ? (page.at(-1)?.seq ?? null) : null };
        }
        await pause(LOOK_MS);
      }
    },

    async resolveCall({ params, body }, { access }) {
      findRun(door, access, 'run.resolve', params.run);
      await host.resolve(
        params.run,
        params.call,
        access.principal.id,
        body.how === 'result' ? { how: 'result', value: body.value } : { how: body.how },
      );
      return { run: params.run, call: params.call, how: body.how };
    },
  };
}
