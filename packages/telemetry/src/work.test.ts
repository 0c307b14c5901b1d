import { describe, expect, it } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { FactWriter } from './facts.ts';
import type { FromThread } from './messages.ts';
import { ringMemory } from './ring.ts';
import { Work } from './work.ts';

const RUN = 'run_0123456789ab' as RunId;
const ABOUT = { run: RUN, root: RUN, parent: undefined, tenant: 't', agent: 'a', version: '', created_at: 5, epoch: 1 };

/** The work of a thread whose collector answers when the test says so, and whose clock the test moves. */
function thread() {
  const memory = ringMemory(16_384);
  const facts = new FactWriter(memory);
  const told: FromThread[] = [];
  const open: { readonly signal: string; readonly answer: (status: number) => void }[] = [];
  const clock = { now: 0 };
  const work = new Work(
    {
      memory,
      collector: { url: 'http://collector', headers: {} },
      sample: 1,
      latest: true,
      resource: { attributes: [['service.name', 'x']], version: '0' },
    },
    {
      now: () => clock.now,
      tell: (message) => told.push(message),
      fetch: (url) =>
        new Promise(
          (resolve) => void open.push({ signal: url.split('/').at(-1) ?? '', answer: (status) => resolve(new Response(null, { status })) }),
        ),
      pause: () => new Promise(() => undefined),
      random: () => 0,
    },
  );
  let made = 0;
  const calls = (many: number) => {
    for (let i = 0; i < many; i++)
      facts.call({
        run: RUN,
        call: (made += 1),
        tool: 'fs.read',
        code: undefined,
        at: 10,
        took_ms: 1,
        attempts: 1,
        provider: undefined,
        model: undefined,
        input_tokens: 0,
        output_tokens: 0,
        money_micros: 0,
        peer: undefined,
      });
  };
  /** Lets promises settle; nothing here waits for a timer. */
  const settle = async () => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const answer = async (status: number): Promise<string | undefined> => {
    const one = open.shift();
    one?.answer(status);
    await settle();
    return one?.signal;
  };
  facts.run(ABOUT);
  return { work, facts, told, open, clock, calls, answer, settle };
}

describe('the thread of telemetry', () => {
  // Bug endless-spans: as long as spans kept coming, one batch followed the other and figures were never sent.
  it('sends figures when they are due, however many spans come meanwhile', async () => {
    const { work, clock, calls, answer } = thread();
    calls(600);
    clock.now = 2_000;
    work.look();
    const signals: (string | undefined)[] = [];
    for (let i = 0; i < 40; i++) {
      clock.now += 1_000;
      calls(600);
      work.look();
      signals.push(await answer(200));
    }
    expect(signals.filter((signal) => signal === 'metrics').length).toBeGreaterThanOrEqual(2);
    expect(signals).toContain('traces');
  });

  it('says at once that a collector takes nothing, and of which signal', async () => {
    const { work, told, clock, calls, answer } = thread();
    calls(600);
    clock.now = 16_000;
    work.look();
    expect(await answer(200)).toBe('metrics');
    expect(told).toEqual([]);
    expect(await answer(400)).toBe('traces');
    expect(told).toEqual([{ kind: 'trouble', signal: 'traces', why: 'it answered 400' }]);
    expect(await answer(200)).toBe('traces');
    expect(told.at(-1)).toEqual({ kind: 'trouble', signal: 'traces', why: undefined });
  });

  it('sends the last figures and spans when the host stops, also while a batch waits to be tried again', async () => {
    const { work, told, clock, calls, answer, settle } = thread();
    calls(3);
    clock.now = 2_000;
    work.look();
    expect(await answer(503)).toBe('traces');
    calls(2);
    const closing = work.heard({ kind: 'close' });
    await settle();
    expect([await answer(200), await answer(200)]).toEqual(['metrics', 'traces']);
    await closing;
    expect(told.at(-1)).toEqual({ kind: 'closed' });
  });

  it('gives messages of the host their turn while facts wait, and answers with all that waited when it was asked', async () => {
    const { work, told, calls } = thread();
    calls(9_000);
    expect(work.look()).toBe(true);
    await work.heard({ kind: 'text', id: 1, readings: [] });
    const answer = told.find((message) => message.kind === 'text');
    expect(answer?.text).toContain('gen_ai_execute_tool_duration_seconds_count{gen_ai_tool_name="fs.read",error_type=""} 9000\n');
    expect(work.look()).toBe(false);
  });

  it('goes on after something that it cannot take, counts it, and says so once', async () => {
    const { work, told, calls } = thread();
    const wrong = [['noSuchFigure' as string as 'runs', [], 1]] as const;
    for (let i = 0; i < 3; i++) await work.heard({ kind: 'readings', readings: wrong });
    calls(1);
    await work.heard({ kind: 'text', id: 1, readings: [] });
    expect(told.filter(({ kind }) => kind === 'fault')).toHaveLength(1);
    const answer = told.find((message) => message.kind === 'text');
    expect(answer?.text).toContain('corral_telemetry_dropped_total{corral_what="faults"} 3\n');
    expect(answer?.text).toContain('gen_ai_execute_tool_duration_seconds_count{gen_ai_tool_name="fs.read",error_type=""} 1\n');
  });
});
