/** What happens, in order, for those who follow it: a window of the latest events in memory, and whoever listens. */
import type { Event, EventKind } from '@corral/protocol/api/schemas';
import type { Operation } from '@corral/protocol/api/roles';
import type { Json } from '@corral/protocol/json';

/** Events that are kept for whoever comes back. */
const WINDOW = 20_000;

export interface EventFilter {
  /** Undefined: of all tenants, and of the host. */
  readonly tenant?: string | undefined;
  readonly run?: string | undefined;
  readonly agent?: string | undefined;
  readonly kinds?: ReadonlySet<string> | undefined;
  /** Whether whoever follows may see what this operation lets people see; null: of the host. */
  readonly may: (operation: Operation, tenant: string | null) => boolean;
}

export type EventBody = Omit<Event, 'id' | 'at'>;

export class Feed {
  /** Of this start of the host; an id from another one is before the window. */
  readonly #era: string;
  readonly #now: () => number;
  readonly #window: Event[] = [];
  #last = 0;
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
    this.#window.push(event);
    // In one go now and then, since shifting a long array is not free.
    if (this.#window.length > WINDOW * 1.25) this.#window.splice(0, this.#window.length - WINDOW);
    for (const listener of this.#listeners) listener(event);
    return event;
  }

  get last(): string {
    return `${this.#era}-${this.#last}`;
  }

  /** What came after an event; undefined when that is no longer known. */
  since(id: string): readonly Event[] | undefined {
    const [era, text] = id.split('-');
    const n = Number(text);
    if (era !== this.#era || !Number.isSafeInteger(n) || n < 0 || n > this.#last) return undefined;
    const first = this.#last - this.#window.length + 1;
    return n + 1 < first ? undefined : this.#window.slice(n + 1 - first);
  }

  listen(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/**
 * What somebody must be let do to be told of events of a kind: the same as for asking about them. Kinds that are not here need
 * what following needs. Webhooks are not held to it: who names them in the configuration is an admin of the host.
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
  // By whom, and why, as in the list of what was done to runs.
  'grant.revoked': 'operation.read',
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
