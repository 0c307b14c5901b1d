/** Runs the agent: finds its definition in the bundle, makes its context from the start delivery, and reports how it ended. */
import type { CancelDelivery, Delivery, StartDelivery } from '@corral/protocol/wire/delivery';
import type { HandleView } from '@corral/protocol/wire/handle';
import type { AgentContext, AgentDefinition, Caps, Notice, Uses } from '../sdk/types.ts';
import type { ServiceOptions } from '../sdk/service.ts';
import { AGENT } from '../sdk/types.ts';
import { makeCaps, makeMailbox } from './capabilities.ts';
import { setTime } from './clock.ts';
import type { Effects } from './effects.ts';
import { Children } from './children.ts';
import { describeError } from './describe.ts';
import { raise } from './errors.ts';
import { Handles } from './handles.ts';
import { Inbox } from './inbox.ts';
import { budgetOf, eventOf } from './options.ts';
import { Queue } from './queue.ts';
import { validate } from './schema.ts';
import { Service } from './service.ts';
import type { Timers } from './timers.ts';

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
  #listening = false;
  #isCancelled = false;
  #abort: AbortController | undefined;

  /** @param log writes a line; needed because an agent may have replaced console.log */
  constructor(definition: AgentDefinition, effects: Effects, timers: Timers, log: (...parts: unknown[]) => void) {
    this.#definition = definition;
    this.#effects = effects;
    this.#handles = new Handles(effects);
    this.#inbox = new Inbox(effects, this.#handles, timers);
    this.#notices = new Queue<Notice>(timers, 'notices');
    this.#children = new Children(effects, this.#handles);
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
          const { handle } = result as { handle?: HandleView };
          const value = () => (handle === undefined ? (result as { value: unknown }).value : this.#handles.take(handle));
          if ('error' in result) this.#effects.fail(result.id, result.error);
          else this.#effects.settle(result.id, { value: value() });
        }
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
    const { reason } = this.#abort?.signal ?? {};
    return this.#isCancelled && reason instanceof Error && name === reason.name && message === reason.message;
  }

  /** Rejects everything that waits when the cancel comes; what the agent starts later, such as cleaning up, is not affected. */
  #cancel({ reason, reaches_awaits }: CancelDelivery): void {
    this.#abort ??= new AbortController();
    const error = new DOMException(reason, 'AbortError');
    this.#abort.abort(error);
    this.#service?.cancel(reason);
    if (reaches_awaits !== true) return;
    this.#isCancelled = true;
    this.#effects.abandonAll(error);
    this.#timers.wake(error);
    this.#inbox.stop(error);
    this.#notices.stop(error);
    this.#children.stop(error);
  }

  async #run(start: StartDelivery): Promise<void> {
    try {
      const definition = this.#definition;
      const input = await validate(definition.input, start.input, 'CORRAL_INPUT_INVALID', 'input');
      const output = await definition.run(this.#context(start, input) as never);
      const checked = await validate(definition.output, output, 'CORRAL_OUTPUT_INVALID', 'output');
      this.#effects.finish({ output: checked === undefined ? null : checked });
    } catch (error) {
      this.#effects.finish({ error: describeError(error) });
    }
  }

  #context(start: StartDelivery, input: unknown): AgentContext<unknown, Uses> {
    const effects = this.#effects;
    const inbox = this.#inbox;
    const timers = this.#timers;
    const signal = () => (this.#abort ??= new AbortController()).signal;
    return {
      run: start.run,
      purpose: this.#definition.purpose,
      input,
      state: start.state,
      open: <T>(handle: unknown) => this.#handles.open(handle) as Promise<T>,
      checkpoint: (state: unknown) => this.#checkpoint(state),
      caps: makeCaps(effects, start.caps) as Caps<Uses>,
      mailbox: makeMailbox(effects, 0),
      messages: inbox.reader(),
      notices: this.#notices.reader(),
      budget: Object.freeze({ ...start.budget, slice: (part: unknown) => Object.freeze(budgetOf(part)) }),
      get signal() {
        return signal();
      },
      spawn: (definition, childInput, options) => this.#children.spawn(definition, childInput, options),
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
