/** A soak: a real host under mixed work for a while, which is stopped and killed repeatedly, and an account of all of it afterwards. */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleAgent } from '@corral/cli/bundle';
import { AGENTS } from './agents.ts';
import { account, endsOf, type Account } from './account.ts';
import { pause, SoakHost } from './host.ts';
import type { Soak, SoakOptions } from './parts.ts';
import { decide, look, nothingDone, rowsOf, settle } from './people.ts';
import { receive } from './receiver.ts';
import { bytesOf, Watch } from './watch.ts';
import { Work } from './work.ts';

const MINUTE_MS = 60_000;
const SECOND_MS = 1_000;
const REST_MS = 12_000;
/** Range of the time between a rest and the stop of the host. */
const STOP_MS = [5_000, 15_000] as const;
const SETTLE_MS = 240_000;
const SETTLE_LOOK_MS = 5_000;
const PROGRESS_MS = 10_000;
const APPROVERS = ['ana', 'bob', 'eve'];
const READERS = 2;

export async function soak(options: SoakOptions): Promise<Account> {
  // A short name, because paths of sockets have a maximum length.
  const folder = await mkdtemp(join(tmpdir(), 'crs-'));
  const ledger = join(folder, 'effects');
  const log = join(folder, 'log');
  await writeFile(ledger, '');
  const receiver = await receive();
  const env = { SOAK_LEDGER: ledger, SOAK_RECEIVER: receiver.url, SOAK_HOOK: 'whsec_c29hay1zb2FrLXNvYWstc29hay1zb2Fr' };
  const host = new SoakHost(folder, env, (text) => writeFileSync(log, text, { flag: 'a' }));
  try {
    await host.start();
    await deploy(host, folder);
    const secret = async (name: string, role: 'developer' | 'approver' | 'auditor') =>
      (await host.admin.makeToken({ body: { name, roles: [role], tenant: 'local' } })).secret;
    const work = new Work(host, await secret('dev', 'developer'));
    const approvers = await Promise.all(APPROVERS.map((name) => secret(name, 'approver')));
    const reader = await secret('reader', 'auditor');
    const empty = bytesOf(host.data);
    const lines = () => readFileSync(ledger, 'utf8');
    const made: Soak = {
      options,
      host,
      work,
      watch: new Watch(host),
      receiver,
      done: nothingDone(),
      began_at: Date.now(),
      lines,
    };
    const over = new AbortController();
    const beside = Promise.all([
      made.watch.go(over.signal),
      decide(host, work, approvers, made.done, over.signal),
      progress(made, over.signal),
      ...Array.from({ length: READERS }, () => look(host, reader, made.done, over.signal)),
    ]);
    await busy(made);
    const settled_ms = await settled(made);
    over.abort();
    await beside;
    const ends = await endsOf(made);
    const bytes = bytesOf(host.data) - empty;
    const result = await account(made, { ends, settled_ms, bytes });
    await host.stop('SIGTERM');
    return { ...result, wrong: [...result.wrong, ...host.wrong], folder: options.keep ? folder : null };
  } finally {
    await host.stop('SIGKILL');
    receiver.close();
    if (!options.keep) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function deploy({ admin }: SoakHost, folder: string): Promise<void> {
  await mkdir(join(folder, 'agents'));
  for (const [i, text] of AGENTS.entries()) {
    const file = join(folder, 'agents', `${i}.ts`);
    await writeFile(file, text);
    const { source, describing } = await bundleAgent(file);
    await admin.deployAgent({ body: { source, describing } });
  }
  await admin.makeSchedule({ body: { agent: 'tick', input: {}, cron: '* * * * *' } });
}

/**
 * Runs the work and stops the host at intervals. Before each stop the host rests, so that its memory can be compared with the previous
 * life.
 */
async function busy({ options, host, work, watch, done, lines, began_at }: Soak): Promise<void> {
  const stopped = new AbortController();
  const working = work.go(options.rate, stopped.signal);
  const end = began_at + options.minutes * MINUTE_MS;
  for (let turn = 1; ; turn++) {
    const next = Math.min(end, began_at + turn * options.every * MINUTE_MS);
    await pause(next - REST_MS - Date.now());
    await Promise.all([work.rest(REST_MS), watch.rest(REST_MS)]);
    if (next >= end) break;
    if (next > end - options.calm * MINUTE_MS) continue;
    // Work has begun again, so the host is stopped while it is busy.
    await pause(STOP_MS[0] + Math.random() * (STOP_MS[1] - STOP_MS[0]));
    await host.stop(turn % 2 === 1 ? 'SIGTERM' : 'SIGKILL');
    await host.start();
    await settle(host, lines, done);
  }
  stopped.abort();
  await working;
}

/**
 * Waits until nothing is under way and nothing is queued for the receiver, which accepts everything by now. @returns the time it took, in
 * milliseconds; undefined if it took too long
 */
async function settled({ host, done, lines, receiver, work }: Soak): Promise<number | undefined> {
  const began = Date.now();
  receiver.recover();
  const { admin } = host;
  while (Date.now() - began < SETTLE_MS) {
    await settle(host, lines, done);
    for (const { hook } of (await admin.listWebhooks({ query: {} })).items)
      await admin.retryDeliveries({ body: { hook, reason: 'the receiver is back' } });
    await pause(SETTLE_LOOK_MS);
    const open = (await rowsOf(admin, { live: 'true' })).filter(({ key }) => key === null);
    const pending = (await admin.listWebhooks({ query: {} })).items.reduce((sum, one) => sum + one.pending, 0);
    // Schedules and their notifications go on.
    if (open.every(({ agent }) => agent === 'tick') && pending <= 1 && work.jobs.length > 0) return Date.now() - began;
  }
  return undefined;
}

async function progress({ options, host, work, watch, began_at }: Soak, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const last = watch.samples.at(-1);
    const minutes = ((Date.now() - began_at) / MINUTE_MS).toFixed(1);
    const memory =
      last === undefined ? '' : `, host ${last.host_mib.toFixed(0)} MiB, cells ${last.cells_mib.toFixed(0)} MiB, ${last.descriptors} fds`;
    const stops = `${host.stops.SIGTERM} SIGTERM, ${host.stops.SIGKILL} SIGKILL`;
    options.say(
      `${minutes} of ${options.minutes} min: ${work.jobs.length} accepted, ${watch.open} open, ${stops}, oldest runnable ${(watch.oldest.age_ms / SECOND_MS).toFixed(1)} s${memory}`,
    );
    await pause(PROGRESS_MS);
  }
}
