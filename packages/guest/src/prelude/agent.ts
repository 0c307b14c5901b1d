/** Runs the agent: finds its definition in the bundle, makes its context from the start delivery, and reports how it ended. */
import type { CancelDelivery, Delivery, StartDelivery } from '@corral/protocol/wire/delivery';
import type { ErrorData } from '@corral/protocol/errors';
import type { HandleView } from '@corral/protocol/wire/handle';
import type { AgentContext, AgentDefinition, Caps, Notice, Uses } from '../sdk/types.ts';
import type { ServiceOptions } from '../sdk/service.ts';
import { AGENT } from '../sdk/types.ts';
import { asker } from './asking.ts';
import { bare, own } from './bare.ts';
import { makeCaps, makeMailbox } from './capabilities.ts';
import { setTime } from './clock.ts';
import type { Effects } from './effects.ts';
import { Children } from './children.ts';
import { describeError } from './describe.ts';
import { raise } from './errors.ts';
import { Handles } from './handles.ts';
import { Inbox } from './inbox.ts';
import { budgetOf, eventOf } from './options.ts';
import { isProgram, lineOf } from './program.ts';
import { Queue } from './queue.ts';
import { validate } from './schema.ts';
import { Service } from './service.ts';
import type { Cancel, WebPart } from './globals.ts';
import type { Reach } from './reach.ts';
import type { Timers } from './timers.ts';

export interface AgentPowers {
  readonly effects: Effects;
  readonly timers: Timers;
  /** Writes a line; an agent may have replaced console.log. */
  readonly log: (...parts: unknown[]) => void;
  /** The part of the image with the web's classes; an agent may have replaced the globals. */
  readonly web: () => WebPart;
  /** Undefined: the isolate has no fetch. */
  readonly reach: Reach | undefined;
}

/** A result's own error, not one that an agent has put on Object.prototype. */
const hasError = (result: object): result is { readonly error: ErrorData } => Object.hasOwn(result, 'error');

export class Agent {
  readonly #effects: Effects;
  readonly #timers: Timers;
  readonly #handles: Handles;
  readonly #inbox: Inbox;
  readonly #notices: Queue<Notice>;
  readonly #children: Children;
  readonly #log: (...parts: unknown[]) => void;
  readonly #definition: AgentDefinition;
  readonly #service: Service | undefined;
  readonly #web: () => WebPart;
  readonly #reach: Reach | undefined;
  #listening = false;
  #isCancelled = false;
  /** The error of the last cancel. */
  #reason: Error | undefined;
  #abort: Cancel | undefined;

  constructor(definition: AgentDefinition, { effects, timers, log, web, reach }: AgentPowers) {
    this.#definition = definition;
    this.#web = web;
    this.#reach = reach;
    this.#effects = effects;
    this.#handles = new Handles(effects);
    this.#inbox = new Inbox(effects, this.#handles, timers);
    this.#notices = new Queue<Notice>(timers, 'notices');
    this.#children = new Children(definition.name, effects, this.#handles);
    this.#timers = timers;
    this.#log = log;
    const options = definition[AGENT] as unknown as ServiceOptions;
    if (options.on === undefined) return;
    this.#service = new Service(options, {
      effects,
      context: (start) => this.#context(start, start.input),
      underway: () => effects.waiting + timers.waiting + this.#children.waiting,
      stopTimers: () => timers.stopAll(),
    });
  }

  deliver(delivery: Delivery): void {
    // Replies are what most cranks bring, and are read with care below.
    if (delivery.kind !== 'reply') bare(delivery);
    setTime(delivery.at);
    this.#inbox.beginCrank();
    this.#notices.beginCrank();
    switch (delivery.kind) {
      case 'start':
        if (delivery.next_id !== undefined) this.#effects.continueFrom(delivery.next_id);
        this.#inbox.countFrom(delivery.next_cap ?? Object.keys(delivery.caps).length + 1);
        this.#handles.countFrom(delivery.next_handle ?? 1);
        this.#handles.place(delivery, delivery.handles);
        for (const { from, body, caps, request } of delivery.unread ?? []) this.#inbox.put(from, body, caps, request);
        if (this.#service === undefined) void this.#run(delivery);
        else this.#service.start(delivery);
        break;
      case 'reply':
        for (const result of delivery.results) {
          const handle = own(result as { handle?: HandleView }, 'handle');
          const value = () => (handle === undefined ? (result as { value: unknown }).value : this.#handles.take(handle));
          if (hasError(result)) this.#effects.fail(result.id, result.error);
          else this.#effects.settle(result.id, { value: value() });
        }
        break;
      case 'chunk':
        this.#effects.chunk(delivery.id, delivery.parts);
        break;
      case 'message':
        if (this.#service === undefined) this.#inbox.receive(delivery);
        else this.#service.message(delivery);
        break;
      case 'timer':
        this.#timers.fire(delivery.id);
        break;
      case 'child_ended':
        this.#children.ended(delivery);
        break;
      case 'cancel':
        this.#cancel(delivery);
        break;
      case 'notice':
        this.#notices.put(Object.freeze({ detector: delivery.detector, text: delivery.text }));
        break;
    }
  }

  /** Called once a crank is over, before its effects are collected. */
  quiesce(): void {
    this.#service?.quiesce();
    if (this.#inbox.listening === this.#listening) return;
    this.#listening = this.#inbox.listening;
    this.#effects.push({ kind: 'listen', on: this.#listening });
  }

  /** Whether an unhandled rejection is the consequence of a cancel: then the agent is cleaning up, and goes on. */
  follows(name: string, message: string): boolean {
    const reason = this.#reason;
    return this.#isCancelled && reason !== undefined && name === reason.name && message === reason.message;
  }

  /** Rejects everything that waits when the cancel comes; what the agent starts later, such as cleaning up, is not affected. */
  #cancel({ reason, reaches_awaits }: CancelDelivery): void {
    const error = this.#aborts(reason);
    this.#service?.cancel(reason);
    if (reaches_awaits !== true) return;
    this.#isCancelled = true;
    this.#effects.abandonAll(error);
    this.#timers.wake(error);
    this.#inbox.stop(error);
    this.#notices.stop(error);
    this.#children.stop(error);
  }

  /** Aborts the signal of the context. @returns the reason as what waits is to see it */
  #aborts(reason: string): Error {
    try {
      const { DOMException, makeCancel } = this.#web();
      this.#abort ??= makeCancel();
      const error = new DOMException(reason, 'AbortError');
      this.#reason = error;
      this.#abort.abort(error);
      return error;
    } catch {
      // An agent has replaced what the image's libraries are made of; it is cancelled nevertheless.
      return (this.#reason ??= Object.defineProperty(new Error(reason), 'name', { value: 'AbortError' }));
    }
  }

  async #run(start: StartDelivery): Promise<void> {
    try {
      const definition = this.#definition;
      const input = await validate(definition.input, start.input, 'CORRAL_INPUT_INVALID', 'input');
      const output = await definition.run(this.#context(start, input) as never);
      const checked = await validate(definition.output, output, 'CORRAL_OUTPUT_INVALID', 'output');
      this.#effects.finish({ output: checked === undefined ? null : checked });
    } catch (error) {
      const told = describeError(error);
      this.#effects.finish({
        error: isProgram(this.#definition) ? bare({ ...told, message: `${String(told['message'])}${lineOf(error)}` }) : told,
      });
    }
  }

  #context(start: StartDelivery, input: unknown): AgentContext<unknown, Uses> {
    const effects = this.#effects;
    const inbox = this.#inbox;
    const timers = this.#timers;
    const signal = () => (this.#abort ??= this.#web().makeCancel()).signal;
    const caps = makeCaps(effects, start.caps);
    this.#reach?.begin(start.caps, caps as Readonly<Record<string, unknown>>);
    return {
      ask: asker(start.caps, caps as Readonly<Record<string, unknown>>),
      run: start.run,
      purpose: this.#definition.purpose,
      input,
      state: start.state,
      open: <T>(handle: unknown) => this.#handles.open(handle) as Promise<T>,
      checkpoint: (state: unknown) => this.#checkpoint(state),
      caps: caps as Caps<Uses>,
      mailbox: makeMailbox(effects, 0),
      messages: inbox.reader(),
      notices: this.#notices.reader(),
      budget: Object.freeze({ ...start.budget, slice: (part: unknown) => Object.freeze(budgetOf(part)) }),
      get signal() {
        return signal();
      },
      spawn: this.#children.spawner(),
      emit: (event: unknown, data: unknown = null) => effects.push({ kind: 'emit', event: eventOf(event), data }),
      log: this.#log,
      sleep: (ms, options) => timers.sleep(ms, options),
    };
  }

  /**
   * Never settles: the agent goes on in a new isolate. Timers end with the isolate, because all they could do is run code in it.
   * Abandoned calls are waited for, because for the host they are still under way.
   */
  async #checkpoint(state: unknown): Promise<never> {
    const effects = this.#effects;
    effects.check({ kind: 'checkpoint', state: state ?? null });
    const assertIdle = () => {
      const calls = effects.waiting - effects.givenUp;
      const children = this.#children.waiting;
      if (calls + children === 0) return;
      const message = `A checkpoint needs nothing under way; ${calls} calls or messages and ${children} children are.`;
      throw raise('CORRAL_CHECKPOINT_BUSY', message);
    };
    assertIdle();
    if (effects.givenUp > 0) {
      await effects.answered();
      assertIdle();
    }
    this.#timers.stopAll();
    const unread = this.#inbox.unread();
    effects.checkpoint({ state: state ?? null, ...(unread.length === 0 ? {} : { unread }) });
    return new Promise(() => undefined);
  }
}
