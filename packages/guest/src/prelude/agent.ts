/** Runs the agent: finds its definition in the bundle, makes its context from the start delivery, and reports how it ended. */
import type { ChildEndedDelivery, Delivery, StartDelivery } from '@corral/protocol/delivery';
import type { HandleView } from '@corral/protocol/handle';
import type { AgentDefinition, Child, ChildEnd, Notice, SpawnOptions } from '../sdk/types.ts';
import type { ServiceOptions } from '../sdk/service.ts';
import { AGENT } from '../sdk/types.ts';
import { makeCaps, makeMailbox, slots } from './capabilities.ts';
import { setTime } from './clock.ts';
import type { Effects } from './effects.ts';
import { CorralError, fromData, ownFrames, raise } from './errors.ts';
import { Handles } from './handles.ts';
import { Inbox } from './inbox.ts';
import { Queue } from './queue.ts';
import { validate } from './schema.ts';
import { Service } from './service.ts';
import type { Timers } from './timers.ts';

export class Agent {
  readonly #effects: Effects;
  readonly #timers: Timers;
  readonly #handles: Handles;
  readonly #inbox: Inbox;
  readonly #notices = new Queue<Notice>();
  readonly #children = new Map<number, (end: ChildEnd) => void>();
  readonly #definition: AgentDefinition;
  readonly #service: Service | undefined;
  #listening = false;
  #abort: AbortController | undefined;

  constructor(definition: AgentDefinition, effects: Effects, timers: Timers) {
    this.#definition = definition;
    this.#effects = effects;
    this.#handles = new Handles(effects);
    this.#inbox = new Inbox(effects, this.#handles);
    this.#timers = timers;
    const options = definition[AGENT] as unknown as ServiceOptions;
    if (options.on === undefined) return;
    this.#service = new Service(options, {
      effects,
      context: (start) => this.#context(start, start.input),
      underway: () => effects.waiting + timers.waiting + this.#children.size,
      stopTimers: () => timers.stopAll(),
    });
  }

  deliver(delivery: Delivery): void {
    setTime(delivery.at);
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
          this.#effects.settle(result.id, 'error' in result ? { error: fromData(result.error) } : { value: value() });
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
        this.#childEnded(delivery);
        break;
      case 'cancel': {
        this.#abort ??= new AbortController();
        this.#abort.abort(new DOMException(delivery.reason, 'AbortError'));
        this.#service?.cancel(delivery.reason);
        break;
      }
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

  #context(start: StartDelivery, input: unknown): object {
    const effects = this.#effects;
    const inbox = this.#inbox;
    const timers = this.#timers;
    const signal = () => (this.#abort ??= new AbortController()).signal;
    return {
      run: start.run,
      purpose: this.#definition.purpose,
      input,
      state: start.state,
      open: (handle: unknown) => this.#handles.open(handle),
      checkpoint: (state: unknown) => this.#checkpoint(state),
      caps: makeCaps(effects, start.caps),
      mailbox: makeMailbox(effects, 0),
      messages: inbox.reader(),
      notices: this.#notices.reader(),
      budget: Object.freeze({ ...start.budget, slice: (part: object) => Object.freeze({ ...part }) }),
      get signal() {
        return signal();
      },
      spawn: (definition: AgentDefinition, childInput: unknown, options: SpawnOptions = {}) => this.#spawn(definition, childInput, options),
      emit: (event: string, data: unknown = null) => effects.push({ kind: 'emit', event, data }),
      log: (...parts: unknown[]) => console.log(...parts),
      sleep: (ms: number) => new Promise<void>((resolve) => timers.start(ms, resolve)),
    };
  }

  /** The agent goes on in a new isolate; whoever awaits this never hears of it. */
  #checkpoint(state: unknown): Promise<never> {
    const underway = this.#effects.waiting + this.#timers.waiting + this.#children.size;
    if (underway > 0) {
      const message = `A checkpoint needs nothing under way; ${underway} calls, timers or children are.`;
      return Promise.reject(raise('CORRAL_CHECKPOINT_BUSY', message));
    }
    const unread = this.#inbox.unread();
    this.#effects.checkpoint({ state: state ?? null, ...(unread.length === 0 ? {} : { unread }) });
    return new Promise(() => undefined);
  }

  #spawn(definition: AgentDefinition, input: unknown, options: SpawnOptions): Child {
    const name = definition?.[AGENT]?.name;
    if (name === undefined) throw raise('CORRAL_ARGS_INVALID', 'spawn() takes an agent made by defineAgent.');
    const id = this.#effects.pushNumbered({
      kind: 'spawn',
      agent: name,
      input: input ?? null,
      caps: slots(options.caps ?? {}, 'spawn'),
      budget: { ...options.budget, slice: undefined },
    });
    const ended = new Promise<ChildEnd>((resolve) => this.#children.set(id, resolve));
    const mailbox = makeMailbox(this.#effects, -id);
    const { send } = mailbox;
    return Object.freeze({ id, ended, mailbox, send });
  }

  #childEnded(delivery: ChildEndedDelivery): void {
    this.#handles.place(delivery, delivery.handles);
    const resolve = this.#children.get(delivery.id);
    this.#children.delete(delivery.id);
    resolve?.({ ...delivery.outcome, run: delivery.run, spent: delivery.spent });
  }
}

const TEXT = 2000;

/** An error as it leaves in a finish effect. */
function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error))
    return { message: `The agent threw ${typeof error === 'string' ? JSON.stringify(error.slice(0, TEXT)) : typeof error}.` };
  const limit = error instanceof CorralError ? error.limit : undefined;
  return {
    ...(error instanceof CorralError ? { code: error.code } : {}),
    ...(limit === undefined ? {} : { limit }),
    message: String(error.message === '' ? error.name : error.message).slice(0, TEXT),
    ...(typeof error.stack === 'string' ? { stack: ownFrames(error.stack).slice(0, TEXT) } : {}),
  };
}
