/** Options of a soak, and the data that its parts share. */
import type { SoakHost } from './host.ts';
import type { Done } from './people.ts';
import type { Receiver } from './receiver.ts';
import type { Watch } from './watch.ts';
import type { Work } from './work.ts';

export interface SoakOptions {
  readonly minutes: number;
  /** Minutes between two stops of the host, alternately by SIGTERM and by SIGKILL. */
  readonly every: number;
  /** Minutes at the end in which the host is not stopped, so that one life is long enough for slopes. */
  readonly calm: number;
  /** Pieces of work a second. */
  readonly rate: number;
  readonly say: (text: string) => void;
  /** Keeps the folder, with the host's log, the file of effects and the data. */
  readonly keep: boolean;
}

/** The data that the parts of a soak share. */
export interface Soak {
  readonly options: SoakOptions;
  readonly host: SoakHost;
  readonly work: Work;
  readonly watch: Watch;
  readonly receiver: Receiver;
  readonly done: Done;
  readonly began_at: number;
  readonly lines: () => string;
}
