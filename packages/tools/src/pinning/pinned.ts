/**
 * The tools of one source that others declare, held to what a person accepted. The first list is accepted with the configuration that names
 * the source. After that a tool whose declaration changed is suspended, one that is new is not offered, and one that is gone fails, until a
 * person has reviewed the differences (`corral tools review`).
 */
import { hash } from 'node:crypto';
import { CorralError } from '@corral/protocol/errors';
import { canonical, type Json } from '@corral/protocol/json';
import type { Declaration, PinnedSource, ToolDifference, ToolPin, ToolPins, ToolReview } from '@corral/protocol/ports/pins';
import { differencesOf } from './differences.ts';

export interface PinnedOptions {
  /** `mcp:crm` */
  readonly source: string;
  readonly pins: ToolPins;
  /** Called when the configuration is in force. */
  readonly begin?: () => void;
  /** Gives what the source needs to know at its next start. */
  readonly known?: () => Json;
  /** Called when another list was accepted: the tools of the source have to be made again. */
  readonly changed?: () => void;
  /** Accounts at which somebody has to sign in. */
  readonly needsLogin?: () => readonly string[];
  /** Asks the source for its list now. */
  readonly ask?: () => Promise<void>;
  /** Notes about the source for operators. */
  readonly notes?: () => readonly string[];
}

interface Offered {
  readonly digest: string;
  readonly tools: readonly Declaration[];
}

export class PinnedTools implements PinnedSource {
  readonly #options: PinnedOptions;
  #pin: ToolPin | undefined;
  #offered: Offered | undefined;
  /** By tool; computed once for each list that is offered. */
  #differences = new Map<string, ToolDifference>();

  constructor(options: PinnedOptions) {
    this.#options = options;
    this.#pin = options.pins.get(options.source);
  }

  get source(): string {
    return this.#options.source;
  }

  get ask(): PinnedSource['ask'] {
    return this.#options.ask;
  }

  /** The source kept this when a list was accepted. */
  get known(): Json | undefined {
    return this.#pin?.known;
  }

  /** The declarations that tools are made of: the accepted ones, or the first ones that the source gave. Undefined: there are none yet. */
  get tools(): readonly Declaration[] | undefined {
    return this.#pin?.tools ?? this.#offered?.tools;
  }

  /** The source declares these now. */
  offer(tools: readonly Declaration[]): void {
    const sorted = [...tools].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#offered = { digest: digestOf(sorted), tools: sorted };
    this.#compare();
  }

  /** Why the tool may not be called now; undefined: it may. */
  suspended(tool: string): string | undefined {
    const { source } = this;
    const found = this.#differences.get(tool);
    if (found === undefined) return undefined;
    const again = `a person has to review it: corral tools review ${source}`;
    if (found.kind === 'removed') return `${source} does not declare it any more; ${again}`;
    return `${source} declares it otherwise than it was accepted (${found.members.map(({ path }) => path).join(', ')}); ${again}`;
  }

  review(): ToolReview {
    const { source } = this;
    const [pin, offered] = [this.#pin, this.#offered];
    return {
      source,
      accepted: pin === undefined ? null : { digest: pin.digest, by: pin.by, at: pin.at, tools: pin.tools.length },
      offered: offered === undefined ? null : { digest: offered.digest, tools: offered.tools.length },
      differences: [...this.#differences.values()],
      needs_login: this.#options.needsLogin?.() ?? [],
      notes: this.#options.notes?.() ?? [],
    };
  }

  inForce(by: string, at: number): ToolPin | undefined {
    let accepted: ToolPin | undefined;
    if (this.#pin === undefined && this.#offered !== undefined) {
      accepted = this.#put(this.#offered, by, at);
    }
    this.#options.begin?.();
    return accepted;
  }

  accept(digest: string, by: string, at: number): ToolPin {
    const offered = this.#offered;
    if (offered === undefined) throw new CorralError('CORRAL_TOOLS_CHANGED', `${this.source} has not declared any tools to this host yet.`);
    if (offered.digest !== digest)
      throw new CorralError('CORRAL_TOOLS_CHANGED', `${this.source} declares ${offered.digest} now, and not ${digest.slice(0, 100)}.`);
    const pin = this.#put(offered, by, at);
    this.#options.changed?.();
    return pin;
  }

  #put({ digest, tools }: Offered, by: string, at: number): ToolPin {
    const pin: ToolPin = { source: this.source, digest, tools, known: this.#options.known?.() ?? null, by, at };
    this.#options.pins.put(pin);
    this.#pin = pin;
    this.#compare();
    return pin;
  }

  #compare(): void {
    const [pin, offered] = [this.#pin, this.#offered];
    const all = pin === undefined || offered === undefined ? [] : differencesOf(pin.tools, offered.tools);
    this.#differences = new Map(all.map((one) => [one.tool, one]));
  }
}

const digestOf = (tools: readonly Declaration[]): string => `sha256:${hash('sha256', canonical(tools))}`;
