/**
 * Runs an instance of a service: one message is one turn. Each turn has a new isolate and starts with the `state` that the last
 * one left. Reply and state leave in one crank, so that neither is kept without the other.
 */
import type { MessageDelivery, StartDelivery } from '@corral/protocol/wire/delivery';
import type { ServiceOptions, Turn as TurnOf } from '../sdk/service.ts';
import type { AgentContext, Uses } from '../sdk/types.ts';
import { bare } from './bare.ts';
import type { Effects } from './effects.ts';
import { errorMessage } from './describe.ts';
import { CorralError, raise } from './errors.ts';
import { replyTo } from './inbox.ts';
import { quoted, validate } from './schema.ts';

type Argument = TurnOf<unknown, unknown, unknown, Uses>;

/** The result of a turn, sent once nothing of the turn is under way. */
interface Turn {
  readonly to: string | undefined;
  answer: Readonly<Record<string, unknown>> | undefined;
  state: unknown;
  /** Its key does not fit and it has kept nothing, so no message will ever be handled: the instance ends. */
  ends: boolean;
}

export interface ServicePowers {
  readonly effects: Effects;
  /** Members of a handler's argument besides the message. */
  readonly context: (start: StartDelivery) => AgentContext<unknown, Uses>;
  /** Number of the turn's calls, timers and children that have not ended. */
  readonly underway: () => number;
  /** Cancels the timers of a turn that is over. */
  readonly stopTimers: () => void;
}

export class Service {
  readonly #options: ServiceOptions;
  readonly #powers: ServicePowers;
  #start: StartDelivery | undefined;
  #turn: Turn | undefined;

  constructor(options: ServiceOptions, powers: ServicePowers) {
    this.#options = options;
    this.#powers = powers;
  }

  start(start: StartDelivery): void {
    this.#start = start;
    // Done before the first message, so that the host has the initial state of the instance.
    if (start.state === undefined) this.#powers.effects.checkpoint({ state: this.#options.initial ?? null });
  }

  message({ from, body, request }: MessageDelivery): void {
    const start = this.#start as StartDelivery;
    const turn: Turn = {
      to: request === undefined ? undefined : replyTo(from.run, request),
      answer: undefined,
      state: start.state,
      ends: false,
    };
    this.#turn = turn;
    void this.#take(turn, start, from, body);
  }

  /** A cancel while no turn is running ends the instance. */
  cancel(reason: string): void {
    if (this.#turn === undefined) this.#powers.effects.finish({ error: { message: reason } });
  }

  /** Called after each crank: the turn ends when nothing of it is under way. */
  quiesce(): void {
    const { effects, underway, stopTimers } = this.#powers;
    const turn = this.#turn;
    if (turn?.answer === undefined) return;
    stopTimers();
    if (underway() > 0) return;
    if (turn.to !== undefined) effects.push(turn.answer);
    if (turn.ends) effects.finish({ output: null });
    else effects.checkpoint({ state: turn.state ?? null });
  }

  async #take(turn: Turn, start: StartDelivery, from: MessageDelivery['from'], body: unknown): Promise<void> {
    const { name, on } = this.#options;
    const { on: which, message } = body as { on?: unknown; message?: unknown };
    const reply = { kind: 'reply', to: turn.to };
    let isBad = true;
    let isKeyBad = false;
    try {
      const handler = typeof which === 'string' && Object.hasOwn(on, which) ? on[which] : undefined;
      if (handler === undefined) {
        const known = Object.keys(on).join(', ');
        throw raise('CORRAL_ARGS_INVALID', `${name} has no handler called ${String(which).slice(0, 64)}; it has ${known}.`);
      }
      isKeyBad = true;
      const key = await validate(this.#options.key, start.input, 'CORRAL_ARGS_INVALID', `key ${quoted(start.input)}`, `${name}’s`);
      isKeyBad = false;
      const input = await validate(handler.message, message, 'CORRAL_ARGS_INVALID', 'message', `${String(which)}’s`);
      isBad = false;
      const state = await validate(this.#options.state, start.state, 'CORRAL_OUTPUT_INVALID', 'state that was kept', `${name}’s`);
      const context = this.#powers.context(start) as unknown as Record<string, unknown>;
      const own: Readonly<Record<string, unknown>> = { message: input, key, state, from: Object.freeze(from) };
      for (const name of Object.keys(own)) context[name] = own[name];
      const argument = context as unknown as Argument;
      const answer = await handler.run(argument as never);
      const value = await validate(handler.reply, answer, 'CORRAL_OUTPUT_INVALID', 'reply', `${String(which)}’s`);
      const kept = await validate(this.#options.state, state, 'CORRAL_OUTPUT_INVALID', 'state', `${name}’s`);
      // Checked here, so that a value that cannot be written fails this turn and not the crank that sends reply and state.
      this.#powers.effects.check({ ...reply, value });
      this.#powers.effects.check({ kind: 'checkpoint', state: kept });
      turn.state = kept;
      turn.answer = { ...reply, value: value ?? null };
    } catch (error) {
      // A state that a turn has kept stays, also where a newer version takes fewer keys.
      turn.ends = isKeyBad && JSON.stringify(start.state) === JSON.stringify(this.#options.initial ?? null);
      turn.answer = {
        ...reply,
        error: bare({ ...(isBad && isRaised(error) ? { invalid: true } : {}), message: errorMessage(error, 'handler') }),
      };
    }
  }
}

const isRaised = (error: unknown) => error instanceof CorralError && error.code === 'CORRAL_ARGS_INVALID';
