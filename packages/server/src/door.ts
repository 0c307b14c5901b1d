/** Everything the routes work with, put together once. */
import type { Unready } from '@corral/protocol/api/schemas';
import type { Clock, Random } from '@corral/protocol/ports';
import type { LoadedConfig } from './config/load.ts';
import type { Feed } from './feed.ts';
import type { Acts } from './kept.ts';
import type { Persons } from './people/persons.ts';
import type { HostPort } from './ports.ts';
import type { Projection } from './projection.ts';
import type { Scheduler } from './scheduler.ts';
import type { Archive } from './store/archive.ts';
import type { FrontStore } from './store/front.ts';
import type { Marks } from './store/marks.ts';
import type { ProfileStore } from './store/profiles.ts';
import type { Registry } from './store/registry.ts';
import type { Refusals } from './refusals.ts';
import type { RunIndex } from './store/runs.ts';
import type { Tokens } from './store/tokens.ts';
import type { Submissions } from './submissions.ts';
import type { Settings } from './settings.ts';
import type { Turns } from './turns.ts';
import type { Outbox } from './webhooks/outbox.ts';

export interface Door {
  readonly host: HostPort;
  readonly db: FrontStore;
  /** Administrative acts are kept through this alone. */
  readonly acts: Acts;
  readonly refusals: Refusals;
  readonly archive: Archive;
  readonly registry: Registry;
  readonly profiles: ProfileStore;
  readonly marks: Marks;
  readonly index: RunIndex;
  readonly tokens: Tokens;
  readonly people: Persons;
  readonly feed: Feed;
  readonly projection: Projection;
  readonly submissions: Submissions;
  readonly scheduler: Scheduler;
  readonly settings: Settings;
  readonly outbox: Outbox;
  /** For requests that read a lot. */
  readonly turns: Turns;
  /** For work on evidence that takes long: verifying, replaying, backing up. */
  readonly errands: Turns;
  readonly clock: Clock;
  readonly random: Random;
  readonly recovered: () => number;
  /** Everything that speaks against taking work; nothing while it is taken. */
  readonly unready: () => Unready[];
  /** It is shutting down: nothing new is taken. */
  readonly draining: () => boolean;
  /** The address is taken; runs are being taken up, and nobody is served yet. */
  readonly recovering: () => boolean;
}

/** The configuration in force. */
export type InForce = () => LoadedConfig;
