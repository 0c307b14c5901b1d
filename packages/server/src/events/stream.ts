/** The stream of events for those who follow it: a window of the latest events in memory, and its listeners. */
import type { EventKind } from '@corral/protocol/api/event-kinds';
import type { Event } from '@corral/protocol/api/schemas';
import type { Operation } from '@corral/protocol/api/roles';
import type { Json } from '@corral/protocol/json';

/** How many events are kept for followers that reconnect, and how much text they may have together. */
const WINDOW = 20_000;
const WINDOW_CHARS = 64 * 1024 * 1024;
/** The window may exceed both by this factor, because shifting a long array is expensive. */
const SLACK = 1.25;
/** Approximate characters of an event besides its data. */
const ENVELOPE = 300;

export interface EventFilter {
  /** Undefined: events of all tenants and of the host. */
  readonly tenant?: string | undefined;
  readonly run?: string | undefined;
  readonly agent?: string | undefined;
  readonly kinds?: ReadonlySet<string> | undefined;
  /** Whether the follower may see what this operation lets people see; null: of the host. */
  readonly may: (operation: Operation, tenant: string | null) => boolean;
}

export type EventBody = Omit<Event, 'id' | 'at'>;

export class Feed {
  /** Identifies this start of the host; an id of another start counts as older than the window. */
  readonly #era: string;
  readonly #now: () => number;
  readonly #window: Event[] = [];
  readonly #sizes: number[] = [];
  #chars = 0;
  #last = 0;
  #framed: { readonly event: Event; readonly text: string } | undefined;
  readonly #listeners = new Set<(event: Event) => void>();

  constructor(era: string, now: () => number) {
    this.#era = era;
    this.#now = now;
  }

  tell(kind: EventKind, about: { readonly tenant?: string; readonly run?: string; readonly agent?: string; readonly data?: Json }): Event {
    this.#last += 1;
    const event: Event = {
      id: `${this.#era}-${this.#last}`,
      at: this.#now(),
      kind,
      tenant: about.tenant ?? null,
      run: about.run ?? null,
      agent: about.agent ?? null,
      data: about.data ?? null,
    };
    const size = ENVELOPE + sizeOf(event.data);
    this.#window.push(event);
    this.#sizes.push(size);
    this.#chars += size;
    if (this.#window.length > WINDOW * SLACK || this.#chars > WINDOW_CHARS * SLACK) this.#forget();
    for (const listener of this.#listeners) listener(event);
    return event;
  }

  get last(): string {
    return `${this.#era}-${this.#last}`;
  }

  /** Events after the given one; undefined if the window no longer has them all. */
  since(id: string): readonly Event[] | undefined {
    const n = this.numberOf(id);
    return n === undefined ? undefined : this.#window.slice(n + 1 - this.#first);
  }

  /** The number of an event if the window still has all events after it, else undefined. */
  numberOf(id: string): number | undefined {
    const [era, text] = id.split('-');
    const n = Number(text);
    if (era !== this.#era || text === '' || !Number.isSafeInteger(n) || n < 0 || n > this.#last) return undefined;
    return n + 1 < this.#first ? undefined : n;
  }

  /** Number of events since the start. */
  get count(): number {
    return this.#last;
  }

  /** An event by its number; undefined if the window no longer has it. */
  at(n: number): Event | undefined {
    return this.#window[n - this.#first];
  }

  /**
   * An event in the format of server-sent events. The text of the latest is cached, because all followers are sent the same one.
   */
  frame(event: Event): string {
    if (this.#framed?.event !== event)
      this.#framed = { event, text: `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n` };
    return this.#framed.text;
  }

  get #first(): number {
    return this.#last - this.#window.length + 1;
  }

  #forget(): void {
    let gone = Math.max(0, this.#window.length - WINDOW);
    for (let i = 0; i < this.#window.length - 1 && (i < gone || this.#chars > WINDOW_CHARS); i++) {
      this.#chars -= this.#sizes[i] as number;
      gone = Math.max(gone, i + 1);
    }
    this.#window.splice(0, gone);
    this.#sizes.splice(0, gone);
  }

  listen(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Approximate length of data as JSON. Characters. */
function sizeOf(data: Json): number {
  if (typeof data === 'string') return data.length + 2;
  if (typeof data !== 'object' || data === null) return 8;
  let chars = 2;
  for (const [name, value] of Object.entries(data)) chars += name.length + 4 + sizeOf(value);
  return chars;
}

/**
 * The permission needed to follow events of a kind: the same as for reading the same facts by request. Kinds that are not listed
 * need only the permission to follow. Webhooks are not checked, because only an admin of the host can configure one.
 */
const NEEDS: { readonly [K in EventKind]?: Operation } = {
  'run.emitted': 'run.payload',
  'run.logged': 'run.payload',
  'agent.resting': 'agent.read',
  'agent.recovered': 'agent.read',
  'agent.deployed': 'agent.read',
  'agent.profiled': 'profile.read',
  'alias.moved': 'agent.read',
  'config.applied': 'config.read',
  'quarantine.put': 'quarantine.read',
  'quarantine.lifted': 'quarantine.read',
  // These events say by whom and why, as the list of operations does.
  'grant.revoked': 'operation.read',
  'spend.warned': 'spend.read',
  'policy.switched': 'policy.read',
  'policy.differs': 'policy.read',
  'policy.alarm': 'policy.read',
  'webhook.given_up': 'webhook.read',
};

export function passes(event: Event, filter: EventFilter): boolean {
  if (filter.tenant !== undefined && event.tenant !== filter.tenant) return false;
  if (filter.run !== undefined && event.run !== filter.run) return false;
  if (filter.agent !== undefined && event.agent !== filter.agent) return false;
  const needs = NEEDS[event.kind];
  if (needs !== undefined && !filter.may(needs, event.tenant)) return false;
  return filter.kinds === undefined || filter.kinds.has(event.kind);
}
