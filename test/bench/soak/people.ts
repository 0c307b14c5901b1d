/** The scripted people of a soak: one decides about payments, one settles calls of unknown result according to the file, two only read. */
import type { Client } from '@corral/protocol/api/client';
import { isLine } from './judge.ts';
import { pause, type SoakHost } from './host.ts';
import type { Work } from './work.ts';

const LOOK_MS = 1_000;
const UNKNOWN_TOOLS = ['soak.once', 'soak.pay'];

/** The actions of the people, and what they saw. */
export interface Done {
  readonly decided: { approve: number; deny: number };
  readonly settled: { retry: number; fail: number };
  readonly heard: { events: number; resets: number; connections: number };
}

export const nothingDone = (): Done => ({
  decided: { approve: 0, deny: 0 },
  settled: { retry: 0, fail: 0 },
  heard: { events: 0, resets: 0, connections: 0 },
});

/** Approves, denies or ignores calls, as the work says. Approvers take turns, since each may approve only a limited number an hour. */
export async function decide(host: SoakHost, work: Work, secrets: readonly string[], done: Done, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    await pause(LOOK_MS);
    const client = () => host.as(secrets[turn % secrets.length] ?? '');
    const { items } = await host.insist(() => client().listApprovals({ query: {} }));
    for (const { run, call } of items) {
      const verdict = work.wanted.get(run);
      if (verdict !== 'approve' && verdict !== 'deny') continue;
      const params = { run, call };
      const decided = await client()
        .decideApproval({ params, body: { verdict, reason: 'the script says so' } })
        .then(
          () => true,
          // The host has stopped, or the call no longer waits; the next look shows it.
          () => false,
        );
      done.decided[verdict] += Number(decided);
    }
  }
}

/**
 * Settles calls of unknown result: those without a line are made again, and those with a line are settled as failed. Only `fail` is
 * applied in bulk: it makes no call, so it is right also for calls that become unknown meanwhile.
 * @param lines reads what the tools have written
 */
export async function settle(host: SoakHost, lines: () => string, done: Done): Promise<number> {
  const { admin } = host;
  let settled = 0;
  for (const tool of UNKNOWN_TOOLS) {
    const ask = (dryRun: boolean) =>
      host.insist(() => admin.settleMany({ body: { act: 'fail', where: {}, tool, reason: 'a host was killed', dryRun } }));
    const { matched } = await ask(true);
    if (matched.length === 0) continue;
    const written = lines();
    const unwritten = matched.filter(({ run, call }) => !isLine(written, tool, run, call ?? 0));
    // Uses both ways: half of the calls that may be made again are, and the rest are settled as failed with the others.
    for (const { run, call } of unwritten.filter((_, i) => i % 2 === 0)) {
      const params = { run, call: call ?? 0 };
      const ok = await admin.resolveCall({ params, body: { how: 'retry', reason: 'it left no line' } }).then(
        () => true,
        () => false,
      );
      done.settled.retry += Number(ok);
      settled += Number(ok);
    }
    const result = await ask(false);
    done.settled.fail += result.done.length;
    settled += result.done.length;
  }
  return settled;
}

/** Follows events and continues after the last one it has seen when the connection is lost. */
export async function look(host: SoakHost, secret: string, done: Done, signal: AbortSignal): Promise<void> {
  let last: string | undefined;
  while (!signal.aborted) {
    try {
      done.heard.connections += 1;
      for await (const event of host.as(secret).follow({}, { last, signal })) {
        if (event.kind === 'reset') done.heard.resets += 1;
        else {
          done.heard.events += 1;
          last = event.id;
        }
      }
    } catch {
      // The host is not running.
    }
    await pause(LOOK_MS);
  }
}

/** All rows of a list of runs. */
export async function rowsOf(client: Client, query: { live?: 'true' }) {
  const rows = [];
  for (let cursor: string | undefined; ;) {
    const page = await client.listRuns({ query: { ...query, limit: 500, ...(cursor === undefined ? {} : { cursor }) } });
    rows.push(...page.items);
    if (page.next === null) return rows;
    cursor = page.next;
  }
}
