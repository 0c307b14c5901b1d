/**
 * The program in a simulated isolate: a list of steps, executed deterministically. It makes effects like the prelude, and knows only what
 * is delivered to it, so that the same deliveries make the same effects.
 */
import type { ChildEndedDelivery, ChunkDelivery, Delivery, MessageDelivery, Result, StartDelivery } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import type { FaultKind } from '@corral/protocol/wire/frame';
import type { Json } from '@corral/protocol/json';

export type Step =
  /** `parts`: the answer is a stream, which the run leaves after that many parts. */
  | { readonly do: 'call'; readonly cap: string; readonly n: number; readonly timeout_ms?: number; readonly parts?: number }
  /** Begins all steps at once and waits for all of them. */
  | { readonly do: 'all'; readonly steps: readonly Step[] }
  /** A call against a timer; gives up the later one. */
  | { readonly do: 'race'; readonly call: Step & { readonly do: 'call' }; readonly ms: number }
  /** The same call repeatedly, each after the answer to the previous one. */
  | { readonly do: 'again'; readonly call: Step & { readonly do: 'call' }; readonly times: number }
  | { readonly do: 'sleep'; readonly ms: number }
  | {
      readonly do: 'spawn';
      readonly as: string;
      readonly agent: string;
      readonly program: Program;
      /** Maps the child's aliases to the parent's, with attenuations. */
      readonly caps: Readonly<Record<string, { readonly from: string; readonly max?: number; readonly uses?: number }>>;
      readonly budget: {
        readonly calls?: number;
        readonly messages?: number;
        readonly children?: number;
        readonly cpu_ms?: number;
        readonly money_micros?: number;
      };
    }
  | { readonly do: 'join'; readonly as: string }
  /** `asks`: each message wants a reply, and gets one even if its receiver ends. */
  | { readonly do: 'send'; readonly to: string; readonly times: number; readonly asks?: boolean }
  /** Writes to an instance of the service. `fatal`: the instance dies in that turn. */
  | { readonly do: 'keep'; readonly key: string; readonly sleep_ms: number; readonly fatal: boolean }
  | { readonly do: 'receive'; readonly times: number }
  | { readonly do: 'checkpoint' }
  | { readonly do: 'say' }
  /** Computes for `ms` milliseconds. */
  | { readonly do: 'spin'; readonly ms: number }
  | { readonly do: 'throw' }
  | { readonly do: 'fault'; readonly fault: FaultKind };

export interface Program {
  readonly steps: readonly Step[];
  /** The run ends when it is cancelled. */
  readonly obeys: boolean;
}

/** A message between simulated runs: the sender, and the effect that sent it. */
export interface Body {
  readonly from: string;
  readonly id: number;
  /** May be replaced by a handle. */
  readonly h?: null;
}

/** A part of a stream: the call, its place, and the attempt that said it. */
export interface Part {
  readonly of: string;
  readonly i: number;
  readonly attempt: number;
}

/** The input of the service. */
interface Kept {
  readonly message: Body & { readonly sleep_ms: number; readonly fatal: boolean };
}

/** The result of a crank. */
export interface Played {
  readonly effects: readonly Effect[];
  readonly spin_ms: number;
  readonly fault: FaultKind | undefined;
}

/** The isolate got something that a correct host never sends. */
export class Anomaly extends Error {}

interface State {
  readonly pc: number;
  readonly seen: readonly string[];
  readonly results: number;
  readonly h: null;
}

export class Guest {
  run = '';
  #effects: Effect[] = [];
  #spin_ms = 0;
  #fault: FaultKind | undefined;
  #lastId = 0;
  #pc = 0;
  #results = 0;
  #over = false;
  #cancelled = false;
  #program: Program = { steps: [], obeys: false };
  #caps: StartDelivery['caps'] = {};
  #play: Generator<() => boolean, void> | undefined;
  #until: (() => boolean) | undefined;
  /** Effects without an answer; given-up calls are included, since the host still waits for them. */
  readonly #open = new Map<number, 'call' | 'timer' | 'child' | 'send' | 'ask'>();
  readonly #fired = new Set<number>();
  readonly #children = new Map<string, number>();
  readonly #mailbox: MessageDelivery[] = [];
  #keeper: { readonly kept: string[] | undefined; asked?: MessageDelivery } | undefined;
  readonly #seen = new Set<string>();
  /** Calls whose result comes as a handle; the index of the next handle, and the last handle. */
  readonly #hidden = new Set<number>();
  /** Streams: parts so far, the attempt that said them, and how many are wanted. */
  readonly #streams = new Map<number, { parts: number; attempt: number | undefined; readonly wanted: number; left?: true }>();
  #nextHandle = 1;
  #handle: number | undefined;

  /** Executes one crank. @throws Anomaly */
  crank(delivery: Delivery): Played {
    this.#effects = [];
    this.#spin_ms = 0;
    this.#fault = undefined;
    if (this.#over) throw new Anomaly(`a ${delivery.kind} was delivered after the run's last crank`);
    this.#take(delivery);
    while (!this.#over && this.#fault === undefined) {
      if (this.#cancelled && this.#program.obeys) {
        this.#finish({ error: { code: 'CORRAL_AGENT_THREW', message: 'asked to stop' } });
        break;
      }
      if (this.#until !== undefined && !this.#until()) break;
      this.#until = undefined;
      const next = this.#play?.next();
      if (next === undefined || next.done === true) break;
      this.#until = next.value;
    }
    return { effects: this.#effects, spin_ms: this.#spin_ms, fault: this.#fault };
  }

  #take(delivery: Delivery): void {
    if (delivery.kind === 'start' && typeof delivery.input === 'string') this.#keeper = { kept: delivery.state as string[] | undefined };
    if (this.#keeper !== undefined) return this.#keep(this.#keeper, delivery);
    if ((delivery.kind === 'start') === (this.run !== '')) throw new Anomaly(`a ${delivery.kind} was delivered at the wrong time`);
    switch (delivery.kind) {
      case 'start':
        return this.#start(delivery);
      case 'reply':
        for (const result of delivery.results) this.#reply(result);
        return;
      case 'chunk':
        return this.#chunk(delivery);
      case 'timer':
        // A timer that was given up may have fired already, and its delivery may come much later.
        if (this.#fired.has(delivery.id) || delivery.id > this.#lastId)
          throw new Anomaly(`timer ${delivery.id} fired twice, or was never set`);
        this.#fired.add(delivery.id);
        if (this.#open.get(delivery.id) === 'timer') this.#open.delete(delivery.id);
        return;
      case 'notice':
        return;
      case 'child_ended':
        this.#ended(delivery);
        return;
      case 'message': {
        const { from, id } = delivery.body as unknown as Body;
        const name = `${from}#${id}`;
        if (this.#seen.has(name)) throw new Anomaly(`message ${name} was delivered twice`);
        this.#seen.add(name);
        this.#mailbox.push(delivery);
        for (const handle of delivery.handles ?? []) this.#given(handle);
        return;
      }
      case 'cancel':
        if (this.#cancelled) throw new Anomaly('it was told twice to stop');
        this.#cancelled = true;
        return;
    }
  }

  /** An instance of the service: stores the name of each message, one message in each turn. */
  #keep(keeper: { readonly kept: string[] | undefined; asked?: MessageDelivery }, delivery: Delivery): void {
    const checkpoint = (state: Json) => {
      this.#effects.push({ kind: 'checkpoint', state });
      this.#over = true;
    };
    const done = (asked: MessageDelivery) => {
      const { from, id } = (asked.body as unknown as Kept).message;
      const to = `${asked.from.run}:${asked.request}`;
      this.#effects.push({ kind: 'reply', to, value: { answers: to } });
      checkpoint([...(keeper.kept ?? []), `${from}#${id}`]);
    };
    if (delivery.kind === 'start') {
      this.run = delivery.run;
      this.#lastId = (delivery.next_id ?? 1) - 1;
      if (keeper.kept === undefined) checkpoint([]);
    } else if (delivery.kind === 'message') {
      const { from, id, sleep_ms, fatal } = (delivery.body as unknown as Kept).message;
      if (keeper.asked !== undefined) throw new Anomaly('an instance was given a message in the middle of a turn');
      if (keeper.kept?.includes(`${from}#${id}`) !== false)
        throw new Anomaly(`message ${from}#${id} has had its turn, or comes before there is a state`);
      keeper.asked = delivery;
      if (fatal) this.#fault = 'memory';
      else if (sleep_ms === 0) done(delivery);
      else this.#effects.push({ kind: 'timer', id: (this.#lastId += 1), ms: sleep_ms });
    } else if (delivery.kind === 'timer' && keeper.asked !== undefined) done(keeper.asked);
  }

  #start(delivery: StartDelivery): void {
    this.run = delivery.run;
    this.#program = delivery.input as unknown as Program;
    this.#caps = delivery.caps;
    if (delivery.state !== undefined) {
      const { pc, seen, results } = delivery.state as unknown as State;
      this.#pc = pc;
      this.#results = results;
      for (const name of seen) this.#seen.add(name);
    }
    this.#lastId = (delivery.next_id ?? 1) - 1;
    this.#nextHandle = delivery.next_handle ?? 1;
    this.#handle = delivery.handles?.at(-1)?.handle;
    for (const unread of delivery.unread ?? []) {
      const { from, body, request } = unread;
      this.#mailbox.push({ kind: 'message', at: 0, depth: 0, from, body, ...(request === undefined ? {} : { request }) });
    }
    this.#play = this.#main();
  }

  /** The parts of a stream come in order, each once, and all are of one attempt. */
  #chunk({ id, offset, parts }: ChunkDelivery): void {
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.left === true || this.#open.get(id) !== 'call')
      throw new Anomaly(`a chunk of ${id}, which is not an open stream`);
    if (offset !== stream.parts) throw new Anomaly(`a chunk of ${id} begins with part ${offset}; ${stream.parts} were given`);
    for (const part of parts) {
      const { of, i, attempt } = part as unknown as Part;
      stream.attempt ??= attempt;
      if (of !== `${this.run}:${id}` || i !== stream.parts || attempt !== stream.attempt)
        throw new Anomaly(`part ${stream.parts} of ${id} is part ${i} of ${of}, of attempt ${attempt} and not ${stream.attempt}`);
      stream.parts += 1;
    }
    if (stream.parts < stream.wanted) this.#effects.push({ kind: 'pull', id });
    else this.#leave(id);
  }

  #leave(id: number): void {
    this.#effects.push({ kind: 'abort', id });
    const stream = this.#streams.get(id);
    if (stream !== undefined) stream.left = true;
  }

  #reply(result: Result): void {
    const what = this.#open.get(result.id);
    const stream = this.#streams.get(result.id);
    const said = 'value' in result ? (result.value as { parts?: number } | null)?.parts : undefined;
    if (stream !== undefined && said !== undefined && stream.left === undefined && said !== stream.parts)
      throw new Anomaly(`stream ${result.id} ended after ${said} parts, and ${stream.parts} were given`);
    if (what !== 'call' && what !== 'send' && what !== 'ask') throw new Anomaly(`effect ${result.id} was answered twice, or never made`);
    this.#open.delete(result.id);
    const hidden = 'handle' in result;
    if (hidden !== (this.#hidden.has(result.id) && !('error' in result)))
      throw new Anomaly(`effect ${result.id} is answered ${hidden ? 'with' : 'without'} a handle`);
    if (hidden) this.#given(result);
    this.#results = (this.#results * 31 + ('error' in result ? 2 : 1)) % 1_000_003;
  }

  /** Takes a handle; its value must not have come with it. */
  #given(handle: object): void {
    if ('value' in handle) throw new Anomaly('the value behind a handle came into the cell');
    this.#handle = this.#nextHandle;
    this.#nextHandle += 1;
  }

  #ended(delivery: ChildEndedDelivery): void {
    if (this.#open.get(delivery.id) !== 'child') throw new Anomaly(`child ${delivery.id} ended twice, or was never spawned`);
    this.#open.delete(delivery.id);
  }

  *#main(): Generator<() => boolean, void> {
    for (; this.#pc < this.#program.steps.length; this.#pc++) {
      yield* this.#step(this.#program.steps[this.#pc] as Step);
      if (this.#over || this.#fault !== undefined) return;
    }
    this.#finish({ output: { results: this.#results, seen: this.#seen.size } });
  }

  *#step(step: Step): Generator<() => boolean, void> {
    switch (step.do) {
      case 'call':
      case 'sleep': {
        const id = this.#begin(step);
        yield () => !this.#open.has(id);
        return;
      }
      case 'all': {
        const ids = step.steps.map((one) => this.#begin(one));
        yield () => ids.every((id) => !this.#open.has(id));
        return;
      }
      case 'again':
        for (let i = 0; i < step.times; i++) {
          const id = this.#begin(step.call);
          yield () => !this.#open.has(id);
        }
        return;
      case 'race': {
        const call = this.#begin(step.call);
        const timer = this.#begin({ do: 'sleep', ms: step.ms });
        yield () => !this.#open.has(call) || !this.#open.has(timer);
        const loser = this.#open.has(call) ? call : this.#open.has(timer) ? timer : undefined;
        if (loser === undefined) return;
        this.#leave(loser);
        if (loser === timer) this.#open.delete(timer);
        return;
      }
      case 'spawn': {
        const id = (this.#lastId += 1);
        const caps = Object.fromEntries(
          Object.entries(step.caps).map(([alias, { from, max, uses }]) => [
            alias,
            {
              cap: from === 'self' ? 0 : (this.#caps[from]?.cap ?? 99),
              ...(max === undefined ? {} : { where: { n: { max } } }),
              ...(uses === undefined ? {} : { uses }),
            },
          ]),
        );
        this.#effects.push({ kind: 'spawn', id, agent: step.agent as never, input: step.program, caps, budget: step.budget });
        this.#open.set(id, 'child');
        this.#children.set(step.as, id);
        return;
      }
      case 'join': {
        const id = this.#children.get(step.as);
        yield () => id === undefined || !this.#open.has(id);
        return;
      }
      case 'send': {
        const child = this.#children.get(step.to);
        const cap = step.to === 'self' ? 0 : child === undefined ? this.#caps[step.to]?.cap : -child;
        if (cap === undefined) return;
        for (let i = 0; i < step.times; i++) {
          const id = (this.#lastId += 1);
          const carried = this.#handle === undefined ? {} : { handles: [{ path: ['body', 'h'], handle: this.#handle }] };
          const request = step.asks === true ? { request: {} } : {};
          this.#effects.push({ kind: 'send', id, cap, body: { from: this.run, id, h: null } satisfies Body, ...request, ...carried });
          this.#open.set(id, step.asks === true ? 'ask' : 'send');
        }
        return;
      }
      case 'keep': {
        const id = (this.#lastId += 1);
        const { key, sleep_ms, fatal } = step;
        const input = { key, on: 'keep', message: { from: this.run, id, sleep_ms, fatal } };
        this.#effects.push({ kind: 'call', id, cap: this.#caps['keeper']?.cap ?? 99, input });
        this.#open.set(id, 'ask');
        return;
      }
      case 'receive':
        for (let i = 0; i < step.times; i++) {
          if (this.#mailbox.length === 0) {
            this.#effects.push({ kind: 'listen', on: true });
            yield () => this.#mailbox.length > 0;
            this.#effects.push({ kind: 'listen', on: false });
          }
          const message = this.#mailbox.shift();
          if (message?.request === undefined) continue;
          const to = `${message.from.run}:${message.request}`;
          this.#effects.push({ kind: 'reply', to, value: { answers: to } });
        }
        return;
      case 'checkpoint': {
        if (this.#open.size > 0) yield () => this.#open.size === 0 || [...this.#open.values()].includes('child');
        if (this.#open.size > 0) return;
        const state: State = { pc: this.#pc + 1, seen: [...this.#seen], results: this.#results, h: null };
        const kept = this.#handle === undefined ? {} : { handles: [{ path: ['state', 'h'], handle: this.#handle }] };
        const unread = this.#mailbox.map(({ from, body, request }) => ({ from, body, ...(request === undefined ? {} : { request }) }));
        this.#effects.push({ kind: 'checkpoint', state, ...(unread.length === 0 ? {} : { unread }), ...kept });
        this.#over = true;
        return;
      }
      case 'say':
        this.#effects.push({ kind: 'emit', event: 'said', data: this.#results }, { kind: 'log', level: 'info', text: 'said' });
        return;
      case 'spin':
        this.#spin_ms += step.ms;
        return;
      case 'throw':
        this.#finish({ error: { message: 'thrown by the program' } });
        return;
      case 'fault':
        this.#fault = step.fault;
        return;
    }
  }

  #begin(step: Step): number {
    const id = (this.#lastId += 1);
    if (step.do === 'call') {
      const cap = this.#caps[step.cap]?.cap ?? 99;
      const timeout = step.timeout_ms === undefined ? {} : { timeout_ms: step.timeout_ms };
      const isStream = step.parts !== undefined;
      if (isStream) this.#streams.set(id, { parts: 0, attempt: undefined, wanted: step.parts });
      const hidden = id % 3 === 0 && !isStream;
      if (hidden) this.#hidden.add(id);
      const how = isStream ? { stream: true as const } : hidden ? { as_handle: true as const } : {};
      this.#effects.push({ kind: 'call', id, cap, input: { n: step.n }, ...timeout, ...how });
      if (isStream) this.#effects.push({ kind: 'pull', id });
      this.#open.set(id, 'call');
      if (this.#handle !== undefined && step.n % 2 === 0) {
        this.#lastId += 1;
        this.#effects.push({ kind: 'open', id: this.#lastId, handle: this.#handle });
        this.#open.set(this.#lastId, 'send');
      }
    } else if (step.do === 'sleep') {
      this.#effects.push({ kind: 'timer', id, ms: step.ms });
      this.#open.set(id, 'timer');
    } else throw new Error(`A program cannot begin ${step.do} beside others.`);
    return id;
  }

  #finish(how: { readonly output?: Json; readonly error?: { readonly code?: string; readonly message: string } }): void {
    this.#over = true;
    this.#effects.push({ kind: 'finish', ...how });
  }
}
