/** Runs: submitting, listing, showing, and settling their lost calls. */
import { hash } from 'node:crypto';
import type { RunRecord } from '@corral/protocol/model/run';
import { many } from '@corral/protocol/api/selector';
import type { RunTree } from '@corral/protocol/api/schemas';
import { cursorAt, placeOf } from '@corral/protocol/api/cursor';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { RunStatus } from '@corral/protocol/model/run';
import type { Withheld } from '@corral/protocol/api/withheld';
import type { StoredRun } from '@corral/protocol/ports/store';
import type { Access } from '../../people/access.ts';
import type { Reader } from '../../people/reader.ts';
import type { RunView } from '@corral/supervisor';
import { beside, takenBack } from '../../evidence/why-context.ts';
import type { ServerContext } from '../context.ts';
import { Decisions } from '../../evidence/decisions.ts';
import { stateLine, stateOf, Turns } from '../../evidence/instance.ts';
import { explain } from '../../evidence/journal.ts';
import { callsAfter, messagesAfter, type ListPage } from '../../evidence/listing.ts';
import { ofInput } from '../../evidence/labels.ts';
import { pagesOf } from '../../evidence/pages.ts';
import { Noted, shownJournal, shownOutcome, withShownArrived } from '../../evidence/shown.ts';
import { prunedFacts, prunedView } from '../../evidence/pruned.ts';
import { retentionOf } from '../../evidence/retention.ts';
import { storyOf } from '../../evidence/story.ts';
import { listed as inList } from '../../jobs/listed.ts';
import { conditionsOf } from '../../jobs/selection.ts';
import type { Parked, RunRow } from '@corral/protocol/ports/front';
import { decidingLines } from './approvals.ts';
import { findRun, waitForEnd, type Context, type Handlers } from './handler.ts';

type Names =
  | 'submitRun'
  | 'listRuns'
  | 'showRun'
  | 'runTree'
  | 'whyRun'
  | 'storyRun'
  | 'runCalls'
  | 'runMessages'
  | 'releaseRun'
  | 'resolveCall';

/** Entries of a journal that are read at a time. */
const PAGE = 200;

export function runRoutes(door: ServerContext): Handlers<Names> {
  const { host, index, reads, projection, submissions, clock, turns } = door;

  /** The row of a run in a list: from memory while it is there, else from the index. */
  const summary = (row: RunRow, view: RunView | undefined, status: RunStatus | undefined, key: string | undefined, parked?: Parked) => ({
    key: view?.key ?? key ?? null,
    run: row.id as RunId,
    tenant: row.tenant as never,
    agent: row.agent,
    version: row.version as never,
    parent: row.parent as RunId | null,
    principal: row.principal,
    config: row.config,
    lifecycle:
      row.ended_as === null ? (view?.lifecycle ?? (row.began === 0 ? ('queued' as const) : ('active' as const))) : ('ended' as const),
    control: view?.control ?? status?.control ?? ('none' as const),
    residency: view?.residency ?? ('parked' as const),
    waiting: view?.waiting ?? status?.waiting ?? ('nothing' as const),
    waiting_for: view?.waitingFor ?? parked?.waitingFor ?? (status === undefined || status.waiting === 'nothing' ? '' : status.waiting),
    on_cpu: view?.on_cpu ?? false,
    ended_as: row.ended_as,
    created_at: row.created_at,
    ended_at: row.ended_at,
    // A run that has begun and is in no memory is parked: its row has no time of its beginning, which is the same but for a queue.
    age_ms: view?.age_ms ?? Math.max(0, (row.ended_at ?? (row.began === 0 ? row.created_at : clock.now())) - row.created_at),
    cpu_ms: view?.cpu_ms ?? row.cpu_ms,
    heap_kib: view?.heap_kib ?? 0,
    calls: view?.calls ?? row.calls,
    tokens: view?.tokens ?? row.tokens,
    money_micros: view?.money_micros ?? row.money_micros,
    open_calls: view?.open_calls ?? 0,
    stopped_by: row.ended_as !== null || (view ?? status)?.control === 'none' ? null : row.stopped_by,
    refused: row.refused,
    withheld: row.withheld,
    left: view?.left ?? parked?.left ?? null,
  });
  const summaryOf = async (row: RunRow, reader: Reader) => {
    const view = row.ended_as === null ? host.view(row.id as RunId) : undefined;
    // A parked run is only in the store.
    const stored = row.ended_as === null && view === undefined ? await host.stored(row.id as RunId).catch(() => undefined) : undefined;
    const { status, record } = stored ?? {};
    const left = status === undefined || row.parked === null ? undefined : (JSON.parse(row.parked) as Parked);
    // The run may wait for something else by now; what is left of its budget cannot change before it comes back.
    const waitingFor = status === undefined || status.waiting === 'nothing' ? '' : status.waiting;
    const parked = left === undefined || left.waiting === status?.waiting ? left : { ...left, waitingFor };
    // The key was chosen by the run that wrote to the instance first.
    const isShown = reader.may(row.id, row.tenant, view?.key_private_to ?? (record === undefined ? [] : ofInput(record)));
    const { key, ...rest } = summary(row, view, status, record?.service?.key, parked);
    return { ...rest, key: isShown ? key : null };
  };

  const journalFor = (reader: Reader) => shownJournal(door, reader);
  /** With the answers that have come since. */
  const pages = (reader: Reader, run: RunId, from = 0) =>
    withShownArrived(pagesOf(journalFor(reader), run, PAGE, from), {
      answers: async () => (index.get(run)?.ended_as === null ? host.arrived(run) : []),
      withheld: (names) => reader.withheld(run, index.get(run)?.tenant ?? '', names),
    });
  const listed = async <T>(
    run: RunId,
    { cursor, limit }: { readonly cursor?: string; readonly limit: number },
    { access, reader }: Pick<Context, 'access' | 'reader'>,
    list: ListPage<T>,
  ) => {
    const after = placeOf(cursor);
    const { items, next } = await turns.take(access.principal.tenant, () =>
      list(pages(reader, run, Math.max(0, (after?.seq ?? 1) - 1)), after, limit),
    );
    return { items, next: next === undefined ? null : cursorAt(next) };
  };
  const instanceState = (reader: Reader, run: RunId, seq: number) => stateOf(journalFor(reader), run, seq);

  const treeOf = async (row: RunRow, reader: Reader, depth: number): Promise<RunTree> => {
    const { run, agent, lifecycle, control, ended_as } = await summaryOf(row, reader);
    await projection.family(row.id);
    // One more than the deepest generation.
    const children = depth > 65 ? [] : await Promise.all(index.children(row.id).map((child) => treeOf(child, reader, depth + 1)));
    return { run, agent, lifecycle, control, ended_as, children };
  };

  const storyFacts = async (row: RunRow, stored: StoredRun, access: Access, reader: Reader) => {
    const { record, status } = stored;
    const unread = reader.withheld(record.id, record.tenant, ofInput(record));
    const { outcome } = await shownOutcome(door, reader, stored);
    // A service's key was chosen by who wrote to it first.
    const { service, ...rest } = record;
    return {
      record: { ...rest, ...(service === undefined ? {} : { service: unread === undefined ? service : { ...service, key: 'withheld' } }) },
      status: { ...status, outcome: outcome ?? undefined },
      input: access.may('run.payload', row.tenant) && unread === undefined ? record.input : undefined,
      unread,
    };
  };

  return {
    async submitRun({ body, headers }, { access, reader, reply }) {
      const tenant = access.one('run.submit', body.tenant);
      const { agent, input, ceilings, budget, grants } = body;
      const { run, replayed } = await submissions.submit(
        {
          tenant,
          agent,
          input,
          ...(ceilings === undefined ? {} : { ceilings }),
          ...(budget === undefined ? {} : { budget }),
          ...(grants === undefined ? {} : { grants }),
        },
        access.principal.id,
        headers['idempotency-key'],
        undefined,
        headers.traceparent,
      );
      if (replayed) {
        // The same answer as the first time, with a header that says so. A run that the store has and the index lacks is added.
        reply.header('idempotent-replayed', 'true');
        const stored = await host.stored(run);
        if (stored !== undefined) index.add(inList(stored), door.settings.inForce().version);
      }
      reply.header('location', `/v1/runs/${run}`);
      return summaryOf(index.get(run) as RunRow, reader);
    },

    async listRuns({ query }, { access, reader }) {
      const { live, ended_as, cursor, limit, sort, order, total, ...selector } = query;
      const conditions = await conditionsOf(door, access, 'run.read', selector);
      const ended = live === undefined ? conditions.ended : !live;
      const found = await door.lists.take(access.principal.tenant, () =>
        reads.runs({
          ...conditions,
          ended,
          ended_as: many(ended_as),
          sort,
          ascending: order === 'asc',
          cursor,
          limit,
          total,
        }),
      );
      // A run may have ended while the list was read.
      const items = await Promise.all(found.rows.map((row) => summaryOf(row.ended_as === null ? (index.get(row.id) ?? row) : row, reader)));
      return { items, next: found.next, ...(found.total === undefined ? {} : { total: found.total }) };
    },

    async showRun({ params, query }, context) {
      const { access, reader } = context;
      let row = findRun(door, access, 'run.read', params.run);
      if (row.ended_as === null && query.wait_ms !== undefined && query.wait_ms > 0) {
        await waitForEnd(door, context, row.id, query.wait_ms);
        row = findRun(door, access, 'run.read', params.run);
      }
      const stored = await host.stored(params.run);
      if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${params.run} here.`);
      const { record, seq } = stored;
      const payloads = access.may('run.payload', row.tenant);
      const revoked = new Set((await host.grants(params.run)).filter((one) => one.revoked).map(({ id }) => id));
      const { outcome, withheld } = await shownOutcome(door, reader, stored);
      const unread = reader.withheld(record.id, record.tenant, ofInput(record));
      const given = payloads && unread === undefined;
      return {
        ...(await summaryOf(row, reader)),
        ...((withheld ?? unread) === undefined ? {} : { withheld_payload: { ...(withheld ?? unread) } as Withheld }),
        outcome: outcome?.kind === 'completed' && !payloads ? { ...outcome, output: null } : outcome,
        input: given ? record.input : null,
        ceilings: { ...record.ceilings },
        budget: { ...record.budget },
        caps: record.caps.map(({ alias, cap, grant }) => ({ alias, cap, grant, revoked: revoked.has(grant) })),
        journal_entries: seq,
        ...(record.who === undefined ? {} : { who: { ...record.who } }),
        ...(record.service === undefined || !payloads ? {} : { state: await instanceState(reader, record.id, seq) }),
        header: payloads ? { ...record.header, seed: hash('sha256', record.header.seed).slice(0, 16) } : null,
        ...(record.program === undefined ? {} : { program: programOf(record.program, given) }),
        origin: originOf(record),
      };
    },

    async runTree({ params }, { access, reader }) {
      return treeOf(findRun(door, access, 'run.read', params.run), reader, 0);
    },

    async whyRun({ params }, { access, reader }) {
      const { version, tenant } = findRun(door, access, 'run.read', params.run);
      const stored = await host.stored(params.run);
      if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${params.run} here.`);
      const details = access.may('run.payload', tenant);
      const decisions = new Decisions(stored.record.parent?.agent, host.quotes, details);
      const taken = stored.record.service === undefined ? undefined : new Turns();
      const noted = new Noted();
      const journal = noted.through(pages(reader, params.run));
      const read = decisions.through(taken?.through(journal) ?? journal);
      const deciding = await decidingLines(door, access, stored);
      const { outcome } = await shownOutcome(door, reader, stored);
      const status = { ...stored.status, outcome: outcome ?? undefined };
      const told = await explain(params.run, status, host.view(params.run), read, { details, deciding });
      const { verdict, because, next, drifted, ...halt } = told;
      const state = async () => stateLine(await instanceState(reader, params.run, stored.seq));
      const service = taken === undefined ? [] : [taken.line, ...(details ? [await state()] : [])];
      const more = [...service, ...takenBack(await host.grants(params.run)), ...beside(door, stored.record, version, drifted)];
      const lines = [...noted.lines, ...because, ...more];
      return { run: params.run, verdict, because: lines, next, decisions: decisions.latest, ...halt, ...noted.view };
    },

    async storyRun({ params }, { access, reader }) {
      const row = findRun(door, access, 'run.read', params.run);
      const stored = await host.stored(params.run);
      if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${params.run} here.`);
      const { waiting_for, ...spent } = await summaryOf(row, reader);
      const kept_ms = retentionOf(door.settings.inForce().config)[row.tenant];
      const pruned = stored.pruned && (await prunedFacts(door.reads, row.tenant, stored.pruned, kept_ms));
      const facts = { ...(await storyFacts(row, stored, access, reader)), spent, waiting_for, pruned };
      const noted = new Noted();
      const journal = noted.through(pages(reader, params.run, pruned?.entries));
      const lines = await turns.take(access.principal.tenant, () => storyOf(facts, journal));
      return {
        run: params.run,
        lines,
        ...noted.view,
        ...(pruned === undefined ? {} : { pruned: prunedView(pruned, params.run, row.tenant) }),
      };
    },

    async runCalls({ params, query }, context) {
      findRun(door, context.access, 'run.payload', params.run);
      return listed(params.run, query, context, callsAfter);
    },

    async runMessages({ params, query }, context) {
      findRun(door, context.access, 'run.payload', params.run);
      return listed(params.run, query, context, messagesAfter);
    },

    async releaseRun({ params, body }, { access, reader, keep }) {
      const row = findRun(door, access, 'run.resolve', params.run);
      if (body.dryRun) {
        keep.skip();
        const { held } = await turns.take(access.principal.tenant, () => host.stuck(params.run));
        if (!held) throw new CorralError('CORRAL_RUN_STATE', `${params.run} is not held.`);
        return summaryOf(row, reader);
      }
      await host.release(params.run, access.principal.id, body.reason);
      keep({ tenant: row.tenant, matched: [params.run] });
      return summaryOf(row, reader);
    },

    async resolveCall({ params, body }, { access, keep }) {
      const { tenant } = findRun(door, access, 'run.resolve', params.run);
      if (body.dryRun) {
        keep.skip();
        const { calls } = await turns.take(access.principal.tenant, () => host.stuck(params.run));
        if (!calls.some(({ call }) => call === params.call))
          throw new CorralError('CORRAL_RUN_STATE', `Call ${params.call} of ${params.run} has no unknown result.`);
        return { run: params.run, call: params.call, how: body.how };
      }
      await host.resolve(
        params.run,
        params.call,
        access.principal.id,
        body.how === 'result' ? { how: 'result', value: body.value } : { how: body.how },
        body.reason,
      );
      keep({ target: { run: params.run, call: params.call, how: body.how }, tenant, matched: [params.run] });
      return { run: params.run, call: params.call, how: body.how };
    },
  };
}

/** The program of a run, as the API shows it. */
function programOf({ digest, source }: NonNullable<RunRecord['program']>, payloads: boolean) {
  return { digest, bytes: Buffer.byteLength(source), source: payloads ? source : null };
}

/** The origin of a fork, as the API shows it. */
function originOf({ origin }: RunRecord) {
  return origin === undefined ? null : { run: origin.run, at: origin.at, forked_at: origin.forked_at };
}
