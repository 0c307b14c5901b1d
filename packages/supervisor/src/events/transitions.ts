/**
 * Events between the parts of a host. A part gets the parts that were built before it, and calls their methods. It informs parts that are
 * built later by events on this object, which is made first, so that no part depends on a later one.
 */
import type { BusEvents } from '@corral/broker/bus';
import type { CorralError } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import type { CellEvents } from '../cells/cell.ts';
import { Observers } from './observation.ts';
import type { Run } from '../runs/run.ts';
import { Signal, type Signals } from './signal.ts';
import type { SchedulerEvents } from '../cells/scheduler-events.ts';

export interface ResidencyEvents {
  /** A run is in memory again: its timers and calls are to be started. */
  readonly onWoken: (run: Run) => void;
  /** A run that was woken has got everything that waited for it. */
  readonly onCaughtUp: (run: Run) => void;
  /** A run has left memory. */
  readonly onParked: (run: Run) => void;
  /** A run cannot be brought back into memory, for this reason, and was quarantined. */
  readonly onDamaged: (run: RunId, error: CorralError) => void;
  /** Another node has taken a run that this host has in memory. */
  readonly onTaken: (run: Run) => void;
  /** A tenant has no run in memory any more. */
  readonly onVacant: (tenant: TenantId) => void;
}

export interface LifecycleEvents {
  /** A run is in memory again, and not in quarantine: the quarantine that stopped it may have been lifted. */
  readonly onClear: (run: Run) => void;
  /** The parent of this run has ended. */
  readonly onOrphaned: (child: RunId) => void;
}

export interface DetectionEvents {
  readonly onPause: (run: RunId, reason: string) => void;
  readonly onKill: (run: Run, outcome: Outcome) => void;
}

export interface ConsequenceEvents {
  /** A denial of this run's crank set a quarantine, which is durable. */
  readonly onQuarantine: (quarantine: Quarantine, cause: RunId) => void;
}

/** Events of the bus. `stop` is not among them, because it returns a value. */
export type BusNews = Omit<BusEvents, 'stop'>;

export class Transitions {
  /** Observers outside the supervisor. */
  readonly observers = new Observers();

  readonly cells: Signals<CellEvents> = {
    onReady: new Signal(),
    onFree: new Signal(),
    onCranked: new Signal(),
    onReplayed: new Signal(),
    onSpared: new Signal(),
    onDescribed: new Signal(),
    onFault: new Signal(),
    onExit: new Signal(),
  };

  readonly bus: Signals<BusNews> = {
    deliver: new Signal(),
    timer: new Signal(),
    timerDone: new Signal(),
    spawned: new Signal(),
    ended: new Signal(),
    answered: new Signal(),
    unknown: new Signal(),
    input: new Signal(),
    fence: new Signal(),
    warned: new Signal(),
    sent: new Signal(),
    created: new Signal(),
    arrived: new Signal(),
    wished: new Signal(),
    asks: new Signal(),
    context: new Signal(),
    streamed: new Signal(),
    takeBack: new Signal(),
    looks: new Signal(),
    chunk: new Signal(),
    emitted: new Signal(),
    logged: new Signal(),
    controlled: new Signal(),
    refused: new Signal(),
  };

  readonly scheduler: Signals<SchedulerEvents> = {
    onBegin: new Signal(),
    onCranked: new Signal(),
    onFault: new Signal(),
    onLost: new Signal(),
    onReplayed: new Signal(),
    onCellReady: new Signal(),
    onCellGone: new Signal(),
    onDiscarded: new Signal(),
    onRested: new Signal(),
    onCpu: new Signal(),
  };

  readonly residency: Signals<ResidencyEvents> = {
    onWoken: new Signal(),
    onCaughtUp: new Signal(),
    onParked: new Signal(),
    onDamaged: new Signal(),
    onTaken: new Signal(),
    onVacant: new Signal(),
  };

  readonly lifecycle: Signals<LifecycleEvents> = { onClear: new Signal(), onOrphaned: new Signal() };
  readonly detection: Signals<DetectionEvents> = { onPause: new Signal(), onKill: new Signal() };
  readonly consequences: Signals<ConsequenceEvents> = { onQuarantine: new Signal() };
}
