/** The host of a test: a real supervisor in a temporary folder, under the rules that the test names, by a clock that skips. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CorralError } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Tool } from '@corral/protocol/ports/tool';
import { SqliteMemory } from '@corral/store/memory';
import { SqliteStore } from '@corral/store/sqlite';
import type { LoadOptions } from '@corral/server/config/load';
import { findWalls, ProcessLauncher, readImage, realRandom, Supervisor, WATCHED, type Approval } from '@corral/supervisor';
import { SkippingClock } from './clock.ts';
import { closedOnce } from './closing.ts';
import { answersOf, faked, type Fakes, type TestedCall } from './fakes.ts';
import type { Answered, Asked, Rules } from './rules.ts';

export interface TestHost {
  readonly supervisor: Supervisor;
  readonly store: SqliteStore;
  readonly tenant: TenantId;
  /** Calls about which people were asked since the last call of `fresh`. */
  readonly asked: () => readonly Answered[];
  readonly calls: () => readonly TestedCall[];
  readonly fresh: () => void;
  close(): Promise<void>;
}

const START = Date.UTC(2026, 0, 1);
/** How often the host looks whether only time is waited for; two looks in a row must agree. */
const LOOK_MS = 2;
/** A test is over long before, so that nothing leaves memory meanwhile, however far the clock skips. */
const NEVER_MS = 2 ** 40;

/** @param clock left out: one that begins at the time of the rules */
export async function testHost(
  fakes: Fakes,
  rules: Rules,
  path: string | undefined,
  clock = new SkippingClock(rules.now ?? START),
): Promise<TestHost> {
  const { approve } = rules;
  let calls: TestedCall[] = [];
  let asked: Answered[] = [];
  let memory: SqliteMemory | undefined;
  const replace = (tools: readonly Tool[]) => faked(tools, fakes, path !== undefined, (call) => calls.push(call));
  const loaded = await loadedBy(rules, path, { replace, memory: () => memory });
  const folder = await mkdtemp(join(tmpdir(), 'corral-testing-'));
  const names = Object.keys(loaded.tenants);
  const tenant = (rules.tenant ?? (names.length === 1 ? names[0] : 'local')) as TenantId;
  const options = loaded.tenants[tenant];
  let supervisor: Supervisor | undefined;
  let stopped = false;
  const close = closedOnce(async () => {
    stopped = true;
    await supervisor?.close();
    await loaded.close(0);
    await memory?.close();
    await rm(folder, { recursive: true, force: true });
  });
  try {
    if (options === undefined)
      throw new CorralError('CORRAL_TENANT_UNKNOWN', `The configuration has no tenant ${tenant}; it has ${names.join(', ')}.`);
    const store = await SqliteStore.open(folder, { keys: { kind: 'file' } });
    memory = new SqliteMemory(folder, { kind: 'file' });
    const commit = store.commit.bind(store);
    store.commit = (one) => {
      for (const { due } of one.timers) clock.expect(due);
      return commit(one);
    };
    const host = await Supervisor.start({
      store,
      launcher: new ProcessLauncher(findWalls()),
      clock,
      random: realRandom,
      // By default agents only get notices of loops, since nobody is there to resume them.
      tenants: { [tenant]: path === undefined ? { ...options, loops: WATCHED } : options },
      image: readImage(),
      cores: 2,
      residency: { park_after_ms: NEVER_MS },
    });
    supervisor = host;
    answerAsPeople(
      host,
      { approve, answer: answersOf(fakes) },
      { asked: (one) => asked.push(one), called: (one) => calls.push(one) },
      () => stopped,
    );
    skipWhileIdle(host, clock, () => stopped);
    return {
      supervisor: host,
      store,
      tenant,
      asked: () => asked,
      calls: () => calls,
      fresh: () => {
        calls = [];
        asked = [];
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The configuration that is named, or none, with what the test states instead. */
async function loadedBy({ policies, risk }: Rules, path: string | undefined, more: Pick<LoadOptions, 'replace' | 'memory'>) {
  const { loadConfig } = await import('@corral/server/config/load');
  const instead = {
    ...(policies !== undefined ? { policies } : path === undefined ? { policies: 'none' as const } : {}),
    ...(risk === undefined ? {} : { risk }),
  };
  return loadConfig(path, process.env, { tell: () => undefined, instead: instead as never, ...more });
}

/** The statements of the test about approvals and questions. */
interface Says {
  readonly approve: Rules['approve'];
  readonly answer: ReturnType<typeof answersOf>;
}

interface Tell {
  readonly asked: (asked: Answered) => void;
  readonly called: (call: TestedCall) => void;
}

/** Answers a question as the test says. An answer that the question does not take, or none, reaches the agent as a question that was declined. */
async function answered(host: Supervisor, { run, call, tool, asks, ...of }: Approval, answer: Says['answer'], tell: Tell['called']) {
  const { control } = host;
  const { approvers } = of;
  // A tool that needs input to go on with a call asks as an agent does.
  const input = asks?.from === undefined ? of.input : { question: asks.question, schema: asks.schema };
  try {
    if (answer === undefined) throw new Error(`the test says nothing of questions: give a fake of ${tool}`);
    const output = ((await answer(input)) ?? null) as Json;
    await control.answer(run, call, 'person 1', output, 'as the test says', approvers);
    tell({ tool, input, output });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    tell({ tool, input, error: why });
    await control.decide(run, call, 'person 1', 'deny', why, approvers);
  }
}

/** Answers for people: about calls as the test says, and by a kill about runs that were stopped for them, which nobody would resume. */
function answerAsPeople(host: Supervisor, { approve, answer }: Says, tell: Tell, isOver: () => boolean): void {
  const people = async () => {
    const [one] = await host.approvals();
    if (one === undefined || isOver()) return;
    if (one.asks !== undefined) return answered(host, one, answer, tell.called);
    const { tool, input, quorum } = one;
    const about: Asked = { tool, input, rules: one.rules, quorum };
    const verdict = approve?.(about) === true ? 'approve' : 'deny';
    if (one.approved_by.length === 0) tell.asked({ ...about, verdict });
    const reason = approve === undefined ? 'the test says nothing of approvals: give `approve`' : 'as the test says';
    await host.control.decide(one.run, one.call, `person ${one.approved_by.length + 1}`, verdict, reason, one.approvers);
    if (verdict === 'approve') await people();
  };
  const stop = async (run: RunId, why: string) => {
    while (!isOver() && host.view(run)?.control === 'none') await new Promise((done) => setTimeout(done, LOOK_MS));
    await host.control.kill(run, 'the test', why);
  };
  let turn = Promise.resolve();
  host.observe((seen) => {
    if (seen.kind === 'asked') turn = turn.then(people).catch(() => undefined);
    else if (seen.kind === 'paused' || (seen.kind === 'step' && seen.step === 'pause'))
      stop(seen.run, `paused for a person: ${seen.reason}`).catch(() => undefined);
    else if (seen.kind === 'quarantined' && seen.run !== undefined) stop(seen.run, `quarantined: ${seen.reason}`).catch(() => undefined);
  });
}

/** Moves the clock on whenever all runs wait, and one of them for a time. */
function skipWhileIdle(supervisor: Supervisor, clock: SkippingClock, isOver: () => boolean): void {
  const WAITS: ReadonlySet<string> = new Set(['timer', 'child', 'message']);
  let seen = '';
  const look = () => {
    if (isOver()) return;
    const live = supervisor.runs().filter(({ lifecycle }) => lifecycle !== 'ended');
    const idle = live.every((view) => !view.on_cpu && !view.runnable && view.control === 'none' && WAITS.has(view.waiting));
    const now: Json = live.map(({ id, waiting, cpu_ms, effects }) => [id, waiting, cpu_ms, effects]);
    const state = idle && live.some(({ waiting }) => waiting === 'timer') ? JSON.stringify(now) : '';
    if (state !== '' && state === seen) clock.skip();
    seen = state;
    setTimeout(look, LOOK_MS);
  };
  look();
}
