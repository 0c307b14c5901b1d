/**
 * The tools of a simulated world, and the outside world: a list of acts that only grows. A tool may be slow, fail, act and be lost, be
 * lost before it acts, or never answer; calls of a dead host may still act.
 */
import * as z from 'zod';
import { MACHINE } from '@corral/protocol/limits';
import { contractOf } from '@corral/protocol/ports/contract';
import type { Tool, ToolAnnotations, ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import type { Dice } from './dice.ts';
import type { Pulse } from './pulse.ts';
import type { Timeline } from './timeline.ts';

export interface PowersObserver {
  /** @returns the day whose accounts pay for the call */
  readonly invoked: (tool: Tool, call: ToolCall, by: number) => string;
}

const TOOLS = {
  /** May be called before the commit. */
  read: { readOnly: true, idempotent: true, openWorld: false },
  fetch: { readOnly: true, idempotent: true, openWorld: true },
  put: { readOnly: false, idempotent: true },
  think: { readOnly: false, idempotent: false, repeatable: true, openWorld: true, costs: { tokens: 10 } },
  /** Must not be repeated. */
  pay: { readOnly: false, idempotent: false, destructive: true, openWorld: true, money: 'n' },
} as const satisfies Record<string, Partial<ToolAnnotations>>;
export type ToolKind = keyof typeof TOOLS;
export const TOOL_KINDS = Object.keys(TOOLS) as ToolKind[];

/** The tool whose calls are questions; a person answers with the same number. Only jobs of some worlds have it. */
export const QUESTION = 'ask';

const Input = z.strictObject({ n: z.int() });

const withoutStreams = ({ streams: _streams, ...tool }: Tool): Tool => tool;

export interface PowersTemper {
  readonly failing: number;
  readonly losing: number;
  readonly hanging: number;
  readonly slow: number;
}

export class Powers {
  /** Acts by idempotency key: an idempotent tool acts once for each. */
  readonly acts = new Map<string, { readonly tool: string; readonly n: number; times: number }>();
  readonly #timeline: Timeline;
  readonly #dice: Dice;
  readonly #observer: PowersObserver;
  readonly #temper: PowersTemper;
  /** Money that was really paid, by the run that paid it. */
  readonly moved = new Map<string, number>();
  /** The same by run and day. */
  readonly movedOn = new Map<string, number>();
  /** The tools cause no more faults. */
  calm = false;
  /** Number of calls that may still be answered. */
  underway = 0;
  /** Parts that attempts have handed over, by `key attempt`. */
  readonly said = new Map<string, number>();
  /** Calls whose result is lost or will never come. */
  readonly lost = new Set<string>();

  constructor(timeline: Timeline, dice: Dice, observer: PowersObserver, temper: PowersTemper) {
    this.#timeline = timeline;
    this.#dice = dice;
    this.#observer = observer;
    this.#temper = temper;
  }

  /** The tools of one host; a dead host gets no answers. */
  tools(pulse: Pulse, by: () => number): readonly Tool[] {
    const asks: Tool['asks'] = (input, answer) => {
      const fits = (answer as { n?: unknown } | null)?.n === (input as { n: number }).n;
      return fits ? { ok: true, value: answer } : { ok: false, where: 'n', message: 'another number' };
    };
    const annotations = { readOnly: true, idempotent: true, openWorld: false };
    return [
      ...TOOL_KINDS.map((name) => this.#tool(name, TOOLS[name], pulse, by)),
      { ...withoutStreams(this.#tool(QUESTION, annotations, pulse, by)), asks },
    ];
  }

  #tool(name: string, annotations: Partial<ToolAnnotations>, pulse: Pulse, by: () => number): Tool {
    const tool: Tool = {
      name,
      description: name,
      input: contractOf(Input),
      output: contractOf(z.unknown(), 'output'),
      annotations: {
        readOnly: false,
        idempotent: false,
        destructive: false,
        openWorld: false,
        repeatable: false,
        returns: name === 'fetch' ? 'untrusted' : 'trusted',
        ...annotations,
      },
      timeout_ms: 1_500,
      streams: true,
      invoke: (call) => this.#invoke(tool, call, pulse, by()),
    };
    return tool;
  }

  #invoke(tool: Tool, call: ToolCall, pulse: Pulse, by: number): Promise<ToolResult> {
    const day = this.#observer.invoked(tool, call, by);
    const dice = this.#dice;
    const { failing, losing, hanging, slow } = this.#temper;
    const fate = this.calm ? 1 : dice.next();
    const took = dice.chance(slow) ? dice.spread(20, 3_000) : dice.spread(0.05, 20);
    const actsAt = took * dice.next();
    const goesOn = dice.chance(0.5);
    const key = call.idempotency_key;
    const streams = call.part !== undefined;
    const saying = this.#says(call, pulse, took);
    const retryable = streams && dice.chance(0.5);
    this.underway += 1;
    return new Promise((resolve) => {
      let over = false;
      const answer = (result: ToolResult) => {
        if (over) return;
        over = true;
        this.underway -= 1;
        pulse.when(() => resolve(result));
      };
      const at = (ms: number, then: () => void) =>
        this.#timeline.after(ms, () => {
          if (!pulse.alive() && !goesOn) answer({ kind: 'unknown', message: 'gone' });
          else if (!over) then();
        });
      if (fate < failing) {
        at(took, () => answer({ kind: 'failed', message: 'it did not want to', ...(retryable ? { retryable } : {}) }));
        return;
      }
      if (fate < failing + losing) {
        const acts = fate < failing + losing / 2;
        this.lost.add(key);
        if (acts) at(actsAt, () => this.#act(tool, call, day));
        at(took, () => answer({ kind: 'unknown', message: 'the tool was lost' }));
        return;
      }
      if (fate < failing + losing + hanging) {
        this.lost.add(key);
        if (dice.chance(0.5)) at(actsAt, () => this.#act(tool, call, day));
        at(10_000, () => answer({ kind: 'unknown', message: 'nobody waits any more' }));
        return;
      }
      at(actsAt, () => {
        // A tool that is aborted before it acts may skip the act.
        if (call.signal.aborted && goesOn) {
          answer({ kind: 'failed', message: 'it was called off' });
          return;
        }
        const receipt = this.#act(tool, call, day);
        // Reads return the same value each time.
        const value = tool.annotations.readOnly && !tool.annotations.openWorld ? (call.input as object) : { receipt };
        if (!streams) return at(took - actsAt, () => answer({ kind: 'ok', value }));
        // Its host may be gone, and then nobody takes its parts.
        at(12_000, () => answer({ kind: 'unknown', message: 'nobody waits any more' }));
        void saying.then((parts) => at(took - actsAt, () => answer({ kind: 'ok', value: { ...value, parts } })));
      });
    });
  }

  /** Hands over the parts of a stream, each when there is room for it. @returns how many there were */
  async #says(call: ToolCall, pulse: Pulse, took: number): Promise<number> {
    if (call.part === undefined) return 0;
    const dice = this.#dice;
    const parts = dice.pick([0, 1, 4, 20, 300]);
    const gaps = Array.from({ length: Math.min(parts, 20) }, () => (dice.chance(0.3) ? dice.spread(0.1, took) : 0));
    const lingers = dice.chance(0.5) ? MACHINE.chunk_wait_ms.default * dice.spread(0.7, 1.3) : 0;
    const key = `${call.idempotency_key} ${call.attempt}`;
    try {
      for (let i = 0; i < parts; i++) {
        const gap = gaps[i] ?? 0;
        if (gap > 0) await new Promise<void>((resolve) => this.#timeline.after(gap, () => pulse.when(resolve)));
        this.said.set(key, Math.max(this.said.get(key) ?? 0, i + 1));
        await call.part({ of: call.idempotency_key, i, attempt: call.attempt });
      }
      // Some end when their last chunk has just been given, and is not durable.
      if (lingers > 0) await new Promise<void>((resolve) => this.#timeline.after(lingers, () => pulse.when(resolve)));
    } catch {
      // The host wants no more of it.
    }
    return parts;
  }

  #act(tool: Tool, { idempotency_key: key, input, run }: ToolCall, day: string): string {
    const { n } = input as { n: number };
    if (tool.annotations.money !== undefined) {
      this.moved.set(run, (this.moved.get(run) ?? 0) + n);
      this.movedOn.set(`${run} ${day}`, (this.movedOn.get(`${run} ${day}`) ?? 0) + n);
    }
    const act = this.acts.get(key);
    if (act === undefined) this.acts.set(key, { tool: tool.name, n, times: 1 });
    else if (!tool.annotations.idempotent) act.times += 1;
    return key;
  }
}
