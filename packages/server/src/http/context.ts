/** Everything the routes work with, built once. */
import type { Degraded, Unready } from '@corral/protocol/api/schemas';
import type { Clock, Random } from '@corral/protocol/ports/machine';
import type { Feed } from '../events/stream.ts';
import type { HostTelemetry } from '../events/telemetry.ts';
import type { Acts } from '../operation-log.ts';
import type { Accounts } from '../people/accounts.ts';
import type { LoginStore } from '../people/login-store.ts';
import type { Persons } from '../people/persons.ts';
import type { HostPort } from '../ports.ts';
import type { Previews } from '../jobs/previews.ts';
import type { LateCalls } from '../jobs/late-calls.ts';
import type { Projection } from '../jobs/projection.ts';
import type { Scheduler } from '../jobs/scheduler.ts';
import type { AgentRegistry, ConfigArchive, FrontStore, MarkTable, RunIndex, TokenTable } from '@corral/protocol/ports/front';
import type { FrontReads } from '@corral/protocol/ports/front-reads';
import type { MemoryStore } from '@corral/protocol/ports/memory';
import type { ProfileStore } from '../jobs/profiles.ts';
import type { Refusals } from '../people/refusals.ts';
import type { Submissions } from '../jobs/submissions.ts';
import type { Settings } from '../settings.ts';
import type { Labels } from '../evidence/labels.ts';
import type { Turns } from '../evidence/serial-queue.ts';
import type { Outbox } from '../events/webhooks/outbox.ts';
import type { ScenePort } from '../scene.ts';

export interface ServerContext {
  readonly host: HostPort;
  readonly db: FrontStore;
  /** Lists and searches over the tables of `db`, off this thread. */
  readonly reads: FrontReads;
  /** The only writer of administrative records. */
  readonly acts: Acts;
  readonly refusals: Refusals;
  readonly archive: ConfigArchive;
  readonly registry: AgentRegistry;
  /** The memories of agents. */
  readonly memory: MemoryStore;
  readonly profiles: ProfileStore;
  readonly marks: MarkTable;
  readonly index: RunIndex;
  readonly tokens: TokenTable;
  readonly people: Persons;
  readonly accounts: Accounts;
  readonly logins: LoginStore;
  readonly feed: Feed;
  readonly projection: Projection;
  readonly lateCalls: LateCalls;
  /** The people whose private data is in what runs hold. */
  readonly labels: Labels;
  readonly submissions: Submissions;
  readonly scheduler: Scheduler;
  readonly settings: Settings;
  readonly outbox: Outbox;
  readonly previews: Previews;
  /** Undefined: the configuration asks for none. */
  readonly telemetry: HostTelemetry | undefined;
  /** Undefined but for the host of `corral demo`. */
  readonly scene: ScenePort | undefined;
  /** Queue for lists; what selects runs for an act goes past it. */
  readonly lists: Turns;
  /** Queue for requests that read whole journals. */
  readonly turns: Turns;
  /** Queue for long work on evidence: verifying, replaying, backing up. */
  readonly errands: Turns;
  readonly clock: Clock;
  readonly random: Random;
  readonly recovered: () => number;
  /** Reasons why no work is taken; empty while work is taken. */
  readonly unready: () => Unready[];
  /** Parts that are impaired although work is taken. */
  readonly degraded: () => Degraded[];
  /** The host is shutting down and takes no new work. */
  readonly draining: () => boolean;
  /** The address is bound, and requests are refused until runs are recovered. */
  readonly recovering: () => boolean;
}
