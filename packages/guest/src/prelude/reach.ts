/** The tools that `fetch` can ask: those that a run holds from its start. A request becomes a call like any other. */
import type { CapabilityView } from '@corral/protocol/wire/delivery';
import { bare, own } from './bare.ts';
import { raise, type CorralError } from './errors.ts';

/** A tool that the run holds. */
interface HeldTool {
  readonly alias: string;
  /** `model:default` */
  readonly name: string;
  readonly tool: unknown;
  readonly reaches: CapabilityView['reaches'];
}

export class Reach {
  /** Longest request. */
  readonly most_bytes: number;
  #held: readonly HeldTool[] | undefined;

  constructor(most_bytes: number) {
    this.most_bytes = most_bytes;
  }

  /** Undefined before the start, which brings the capabilities. */
  get held(): readonly HeldTool[] | undefined {
    return this.#held;
  }

  /** @param caps the capabilities by their aliases */
  begin(views: Readonly<Record<string, CapabilityView>>, caps: Readonly<Record<string, unknown>>): void {
    const held: HeldTool[] = [];
    for (const [alias, view] of Object.entries(views))
      if (view.kind === 'tool') held.push(bare({ alias, name: view.name, tool: caps[alias], reaches: own(view, 'reaches') }));
    this.#held = held;
  }

  error(code: 'CORRAL_CAP_NOT_GRANTED' | 'CORRAL_EFFECT_TOO_LARGE', message: string): CorralError {
    return raise(code, message);
  }
}
