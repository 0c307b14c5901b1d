/** One guest beside its neighbours: as it is, killed in the middle, and paused in the middle. */
import { loadavg } from 'node:os';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { CEILINGS } from '@corral/protocol/limits';
import type { BoardHost } from './host.ts';
import { now, pause, TENANT_OF } from './host.ts';
import type { Figures, Gaps } from './judge.ts';
import type { Guest } from './guests.ts';

/** A guest that has not ended by then counts as hanging, and is killed. */
const HANGS_MS = 60_000;
/** Time in which a kill or a pause comes, after the guest was submitted, and how long the pause is. */
const STRIKE_MS = [15, 150] as const;
const PAUSED_MS = 250;
/** Time in which the memory is measured that host and cells have before a guest comes. */
const REST_MS = 50;
/** CPU time that may still be billed after a pause was proved: what was measured before it and told after it. */
const MOVED_MS = 5;

type Draw = (from: number, to: number) => number;

export interface Trial extends Figures {
  readonly gaps: { readonly own: Gaps; readonly other: Gaps };
}

/** The agent of a guest, as it was deployed; undefined if its deploy was refused, as it should be. */
interface Deployed {
  readonly agent: string | undefined;
  readonly wrong: readonly string[];
  readonly code: string;
}

export async function trial(host: BoardHost, guest: Guest, draw: Draw): Promise<Trial> {
  const tenant = guest.ruled === true ? 'ruled' : TENANT_OF.own;
  host.memory.take();
  await pause(REST_MS);
  const before = host.memory.take();
  const from = now();
  const wrong: string[] = [];
  const { agent, wrong: refused, code } = await deploy(host, guest, tenant);
  wrong.push(...refused);
  // A deploy is not what is measured, unless it is what hurts.
  const began = guest.deploy === undefined ? now() : from;
  const input = inputOf(guest, draw);
  const as = { host, guest, tenant, agent: agent ?? '' };
  const plain = agent === undefined ? { outcome: code, wrong: [], late_ms: null, answer_ms: null } : await run(as, input);
  wrong.push(...plain.wrong);
  const until = now();
  const gaps = { own: await host.gaps('own', began, until), other: await host.gaps('other', began, until) };
  const peak = host.memory.take();
  const blocks = host.blocks(began, until);
  const load = loadavg()[0] ?? 0;
  await host.clear();
  const struck = agent === undefined ? NOTHING : await strikes(as, input, draw);
  wrong.push(...struck.wrong, ...(await host.lost()));
  return {
    wrong,
    outcome: plain.outcome,
    late_ms: plain.late_ms,
    answer_ms: plain.answer_ms,
    gap_other_ms: gaps.other.longest,
    gap_own_ms: gaps.own.longest,
    block_ms: Math.max(0, ...blocks.map(({ ms }) => ms)),
    block_cpu_ms: Math.max(0, ...blocks.map(({ cpu_ms }) => cpu_ms)),
    host_mib: peak.host_mib,
    host_grown_mib: Math.max(0, peak.host_mib - before.host_mib),
    cell_mib: peak.cell_mib,
    cell_over_mib: Math.max(0, peak.cell_mib - before.cell_mib - (guest.memory_mib ?? CEILINGS.memory_mib.default)),
    kill_ms: struck.kill_ms,
    pause_ms: struck.pause_ms,
    load,
    gaps,
  };
}

function inputOf({ vary = {} }: Guest, draw: Draw): Record<string, Json> {
  return Object.fromEntries(Object.entries(vary).map(([name, [from, to]]) => [name, draw(from, to)]));
}

async function deploy(host: BoardHost, guest: Guest, tenant: string): Promise<Deployed> {
  const outcomes = await Promise.allSettled(
    Array.from({ length: guest.deploy === undefined ? 1 : (guest.at_once ?? 1) }, () => host.deploy(guest.file, tenant)),
  );
  const wrong: string[] = [];
  let code = '';
  for (const one of outcomes) {
    if (one.status === 'fulfilled') {
      if (guest.deploy === undefined) return { agent: one.value, wrong, code };
      wrong.push(`its deploy was accepted; it should be refused as ${guest.deploy}`);
      continue;
    }
    code = (one.reason as { code?: string }).code ?? String(one.reason);
    if (code !== guest.deploy) wrong.push(`its deploy was refused as ${code}: ${String((one.reason as Error).message).slice(0, 200)}`);
  }
  return { agent: undefined, wrong: [...new Set(wrong)], code: `refused(${code})` };
}

interface As {
  readonly host: BoardHost;
  readonly guest: Guest;
  readonly tenant: string;
  readonly agent: string;
}

async function submit({ host, tenant, agent }: As, input: Record<string, Json>, ceilings: Record<string, number> = {}): Promise<RunId> {
  const more = Object.keys(ceilings).length === 0 ? {} : { ceilings };
  const { run } = await host.client.submitRun({ body: { tenant: tenant, agent: agent, input, ...more }, headers: {} });
  return run;
}

/** The run once it has ended; undefined if it hangs, or its host is gone. */
async function ended({ host }: As, run: RunId, within_ms = HANGS_MS) {
  const shown = await host.client.showRun({ params: { run }, query: { wait_ms: within_ms } }).catch(() => undefined);
  return shown?.lifecycle === 'ended' ? shown : undefined;
}

/** A sentence about a run that should have ended: what it waits for, and how far it has come. */
async function hangs({ host }: As, run: RunId): Promise<string> {
  const shown = await host.client.showRun({ params: { run }, query: {} }).catch(() => undefined);
  if (shown === undefined) return `has not ended after ${HANGS_MS} ms`;
  const { journal_entries, waiting_for, on_cpu, control } = shown;
  const state = control !== 'none' ? control : on_cpu ? 'computes' : waiting_for === '' ? 'waits for its turn' : `waits for ${waiting_for}`;
  return `has not ended after ${HANGS_MS} ms: it ${state}, with ${journal_entries} entries`;
}

/** The guest as it is. */
async function run(as: As, input: Record<string, Json>) {
  const { host, guest } = as;
  const runs = await Promise.all(Array.from({ length: guest.deploy === undefined ? (guest.at_once ?? 1) : 1 }, () => submit(as, input)));
  const wrong: string[] = [];
  let outcome = '';
  let late_ms: number | null = null;
  let answer_ms: number | null = null;
  for (const id of runs) {
    const end = await ended(as, id);
    const at = now();
    if (end === undefined) {
      outcome = host.ended === undefined ? 'hangs' : 'host died';
      wrong.push(host.ended === undefined ? await hangs(as, id) : `its host ended with ${host.ended}: ${host.said}`);
      continue;
    }
    outcome = end.ended_as ?? '';
    if (![guest.ends].flat().includes(outcome)) {
      const said = end.outcome !== null && 'message' in end.outcome ? `: ${end.outcome.message.slice(0, 200)}` : '';
      wrong.push(`ended as ${outcome}, not ${[guest.ends].flat().join(' or ')}${said}`);
    }
    if (guest.output !== undefined && end.outcome?.kind === 'completed' && !same(end.outcome.output, guest.output))
      wrong.push(`returned ${JSON.stringify(end.outcome.output).slice(0, 200)}, not ${JSON.stringify(guest.output)}`);
    if (guest.limit !== undefined) {
      const took_ms = at - end.created_at;
      const [limit, used] = 'cpu_ms' in guest.limit ? [guest.limit.cpu_ms, end.cpu_ms] : [guest.limit.wall_ms, took_ms];
      late_ms = Math.max(late_ms ?? 0, used - limit);
      answer_ms = Math.max(answer_ms ?? 0, took_ms - limit);
    }
    wrong.push(...(await children(as, id)));
  }
  return { outcome, wrong, late_ms, answer_ms };
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** Descendants with another outcome than they may have. */
async function children({ host, guest }: As, run: RunId): Promise<string[]> {
  const tree = await host.client.runTree({ params: { run } });
  const wrong = new Set<string>();
  for (const kids = [...tree.children]; kids.length > 0;) {
    const { run: kid, agent, ended_as, children } = kids.pop() as typeof tree;
    kids.push(...children);
    if (ended_as === null || (guest.children ?? []).includes(ended_as)) continue;
    const { outcome } = await host.client.showRun({ params: { run: kid as RunId }, query: {} });
    const said = outcome !== null && 'message' in outcome ? `: ${outcome.message.slice(0, 200)}` : '';
    wrong.add(`its child ${agent} ended as ${ended_as}${said}`);
  }
  return [...wrong];
}

const NOTHING = { wrong: [] as string[], kill_ms: null, pause_ms: null };

/** The guest twice more, stopped in the middle: one is killed, the other paused, looked at and resumed. */
async function strikes(as: As, input: Record<string, Json>, draw: Draw) {
  const wrong: string[] = [];
  const killed = await strike(as, 'kill', input, draw);
  if (killed !== undefined) {
    const end = await ended(as, killed.run, 5_000);
    if (end?.ended_as !== 'killed') wrong.push(`was killed and then ended as ${end?.ended_as ?? 'nothing'}`);
  }
  const paused = await strike(as, 'pause', input, draw);
  if (paused !== undefined) {
    const look = () => as.host.client.showRun({ params: { run: paused.run }, query: {} });
    const first = await look();
    await pause(PAUSED_MS);
    const then = await look();
    // An end that was on its way from the cell when the pause came is the end of a crank that nobody stopped.
    const early = then.ended_as !== null && [as.guest.ends].flat().includes(then.ended_as);
    if (then.control !== 'paused' && !early)
      wrong.push(`was paused and its control is ${then.control}, ${then.ended_as ?? then.lifecycle}`);
    if (!early && then.cpu_ms - first.cpu_ms > MOVED_MS)
      wrong.push(`used ${Math.round(then.cpu_ms - first.cpu_ms)} ms of CPU while it was paused`);
    await operate(as, 'resume', paused.run);
    const end = await ended(as, paused.run);
    if (end === undefined) wrong.push(`was paused and resumed, and ${await hangs(as, paused.run)}`);
    else if (![as.guest.ends].flat().includes(end.ended_as ?? '')) wrong.push(`was paused, resumed, and ended as ${end.ended_as}`);
  }
  await as.host.clear();
  return { wrong, kill_ms: killed?.ms ?? null, pause_ms: paused?.ms ?? null };
}

/** @returns how long it took until a receipt proved it; undefined if the run ended first */
async function strike(as: As, operation: 'kill' | 'pause', input: Record<string, Json>, draw: Draw) {
  if (as.host.ended !== undefined) return undefined;
  const run = await submit(as, input);
  await pause(draw(...STRIKE_MS));
  const asked = now();
  const proved = await operate(as, operation, run);
  return proved ? { run, ms: now() - asked } : undefined;
}

/** @returns whether a receipt proved it; false if the run had ended */
async function operate({ host }: As, operation: 'kill' | 'pause' | 'resume', run: RunId): Promise<boolean> {
  try {
    const { receipts } = await host.client.operate({
      body: { operation, target: { run }, reason: 'the scoreboard strikes', dryRun: false, family: false },
    });
    return receipts.length > 0;
  } catch (error) {
    if ((error as { code?: string }).code === 'CORRAL_RUN_STATE') return false;
    throw error;
  }
}
