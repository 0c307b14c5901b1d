/**
 * Asks inspectors, a few at a time for each tenant, and waits for each as long as its configuration allows. Nothing is repeated: an
 * inspector that is late or fails is missing in the facts. The journal of a run says what it waits for, so the next host asks again.
 */
import type { RunId, TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import { sumOf, type Cost } from '@corral/protocol/model/cost';
import type { Inspected } from '@corral/protocol/model/inspection';
import type { Inspection, Inspector, InspectorAnswer, InspectorWish } from '@corral/protocol/ports/inspector';
import type { Clock } from '@corral/protocol/ports/machine';

/** The answers of the inspectors of one value. */
export interface Said {
  readonly inspected: Inspected;
  readonly cost?: Cost;
  /** Stops that they ask for, with the names of the inspectors. */
  readonly wishes: readonly (InspectorWish & { readonly by: string })[];
}

export const NOTHING_SAID: Said = { inspected: {}, wishes: [] };

interface Line {
  under_way: number;
  readonly waiting: (() => void)[];
}

export interface InspectionsOptions {
  readonly clock: Clock;
  readonly inspector: (tenant: TenantId, name: string) => Inspector | undefined;
}

export class Inspections {
  readonly #options: InspectionsOptions;
  /** By tenant and inspector, so that no tenant waits for the values of another one. */
  readonly #lines = new Map<string, Line>();
  /** By run: the effects that wait, and how to stop waiting. */
  readonly #going = new Map<RunId, Map<number, AbortController>>();

  constructor(options: InspectionsOptions) {
    this.#options = options;
  }

  isUnderway(run: RunId, effect: number): boolean {
    return this.#going.get(run)?.has(effect) === true;
  }

  /**
   * Asks inspectors about a value.
   * @param mayNot why one of them is not asked
   * @returns undefined if nobody waits for the answer any more
   */
  async ask(
    asked: Inspection,
    names: readonly string[],
    mayNot: (inspector: Inspector) => string | undefined = () => undefined,
  ): Promise<Said | undefined> {
    const abort = new AbortController();
    let those = this.#going.get(asked.run);
    if (those === undefined) this.#going.set(asked.run, (those = new Map()));
    those.set(asked.effect, abort);
    const answers = await Promise.all(names.map((name) => this.#one(asked, name, abort.signal, mayNot)));
    if (those.get(asked.effect) === abort) {
      those.delete(asked.effect);
      if (those.size === 0 && this.#going.get(asked.run) === those) this.#going.delete(asked.run);
    }
    return abort.signal.aborted ? undefined : saidBy(names, answers);
  }

  /** Stops asking about an effect, or about all effects of a run; what comes of it is dropped. */
  drop(run: RunId, effect?: number): void {
    const those = this.#going.get(run);
    const dropped = effect === undefined ? [...(those?.values() ?? [])] : [those?.get(effect)];
    if (effect === undefined) this.#going.delete(run);
    else those?.delete(effect);
    for (const one of dropped) one?.abort(new DOMException('Nobody waits for it any more.', 'AbortError'));
  }

  /** Stops asking: the host stops. */
  stop(): void {
    for (const run of this.#going.keys()) this.drop(run);
  }

  async #one(
    asked: Inspection,
    name: string,
    signal: AbortSignal,
    mayNot: (inspector: Inspector) => string | undefined,
  ): Promise<InspectorAnswer> {
    const inspector = this.#options.inspector(asked.tenant, name);
    if (inspector === undefined) return { kind: 'missing', why: 'it is not configured any more' };
    const why = mayNot(inspector);
    if (why !== undefined) return { kind: 'missing', why };
    const leave = await this.#enter(`${asked.tenant} ${name}`);
    try {
      return signal.aborted ? { kind: 'missing', why: 'nobody waited for it' } : await this.#within(inspector, asked, signal);
    } finally {
      leave();
    }
  }

  /** Waits at most as long as the inspector may take. */
  #within(inspector: Inspector, asked: Inspection, signal: AbortSignal): Promise<InspectorAnswer> {
    const late = new AbortController();
    const { promise, resolve } = Promise.withResolvers<InspectorAnswer>();
    const end = (answer: InspectorAnswer) => {
      stopClock();
      signal.removeEventListener('abort', given);
      resolve(answer);
    };
    const stopClock = this.#options.clock.after(inspector.timeout_ms, () => {
      late.abort(new DOMException('The inspector took too long.', 'TimeoutError'));
      end({ kind: 'missing', why: `it did not answer within ${inspector.timeout_ms} ms` });
    });
    const given = () => {
      late.abort(signal.reason);
      end({ kind: 'missing', why: 'nobody waited for it' });
    };
    signal.addEventListener('abort', given, { once: true });
    inspector.inspect(asked, late.signal).then(end, () => end({ kind: 'missing', why: 'it failed' }));
    return promise;
  }

  /** Takes a place among the questions to one inspector. @returns a function that gives it back */
  async #enter(key: string): Promise<() => void> {
    let line = this.#lines.get(key);
    if (line === undefined) this.#lines.set(key, (line = { under_way: 0, waiting: [] }));
    const own = line;
    if (own.under_way >= MACHINE.inspections.default) await new Promise<void>((resolve) => own.waiting.push(resolve));
    else own.under_way += 1;
    return () => {
      const next = own.waiting.shift();
      if (next !== undefined) return next();
      own.under_way -= 1;
      if (own.under_way === 0) this.#lines.delete(key);
    };
  }
}

function saidBy(names: readonly string[], answers: readonly InspectorAnswer[]): Said {
  const inspected: Record<string, Inspected[string]> = {};
  const wishes: (InspectorWish & { by: string })[] = [];
  let cost: Cost | undefined;
  for (const [i, answer] of answers.entries()) {
    const name = names[i] as string;
    inspected[name] = answer.kind === 'said' ? answer.finding : { missing: answer.why };
    if (answer.kind === 'said' && answer.wish !== undefined) wishes.push({ ...answer.wish, by: name });
    if (answer.cost !== undefined) cost = sumOf(cost ?? {}, answer.cost);
  }
  return { inspected, wishes, ...(cost === undefined ? {} : { cost }) };
}
