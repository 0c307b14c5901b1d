/** What a host says of its runs and of itself while it works, and to whom. */
import type { ContextChange } from '@corral/protocol/model/context';
import type { CorralError } from '@corral/protocol/errors';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Control, HoldReason, LadderStep, Lifecycle, Residency, WaitingOn } from '@corral/protocol/model/run';
import type { Holder, SpendName, SpendPeriod } from '@corral/protocol/model/spend';
import type { Quarantine } from '@corral/protocol/model/quarantine';

/** A version of which no run is taken, or only a few to try. */
export interface Resting {
  readonly tenant: TenantId;
  readonly agent: string;
  readonly version: string;
  readonly why: string;
  readonly state: 'open' | 'half_open';
  /** When it is tried again, in milliseconds since 1970; in the past while it is being tried. */
  readonly until: number;
}

/** Why a host does no work, though it has some or could be given some. */
export type Stall =
  /** Runs have something to do, and no crank has been completed since. `oldest_ms`: how long the first of them has waited. */
  | { readonly reason: 'no_progress'; readonly since: number; readonly oldest_ms: number }
  /** Not one cell is there, and those that were started since died before they were ready. */
  | { readonly reason: 'cells_do_not_start'; readonly since: number };

export interface RunView {
  readonly id: RunId;
  readonly tenant: TenantId;
  readonly agent: string;
  /** Of a service's instance: what tells it from the others. */
  readonly key: string | undefined;
  readonly parent: RunId | undefined;
  readonly lifecycle: Lifecycle;
  readonly control: Control;
  readonly residency: Residency;
  readonly waiting: WaitingOn;
  /** What exactly it waits on: a tool's name, a number of children. */
  readonly waitingFor: string;
  readonly outcome: Outcome | undefined;
  /** How far it is up the ladder of what is done about loops. */
  readonly rung: LadderStep;
  readonly on_cpu: boolean;
  /** It has something to do, and waits for its host. */
  readonly runnable: boolean;
  readonly cpu_ms: number;
  readonly heap_kib: number;
  readonly calls: number;
  /** Spent, with what its ended children spent. */
  readonly tokens: number;
  readonly money_micros: number;
  /** Of them, those that have no answer yet. */
  readonly open_calls: number;
  readonly effects: number;
  /** Share of its budget that is left, of the amount that runs out first. */
  readonly left: number;
  /** Since its first crank, paused time included. */
  readonly age_ms: number;
  /** Since its last crank began; for one that was stopped, its time on the CPU and the time from then on. */
  readonly crank_age_ms: number;
}

export type Observation =
  | { readonly kind: 'admitted' | 'began' | 'woken'; readonly run: RunId }
  | { readonly kind: 'parked'; readonly run: RunId; readonly view: RunView }
  /** A call waits for people to decide about it. */
  | { readonly kind: 'asked'; readonly run: RunId; readonly call: number; readonly tool: string }
  | {
      readonly kind: 'decided';
      readonly run: RunId;
      readonly call: number;
      readonly by: string;
      readonly verdict: 'approve' | 'deny' | 'expired';
    }
  /** A detector's finding took it a step up the ladder. */
  | {
      readonly kind: 'step';
      readonly run: RunId;
      readonly step: Exclude<LadderStep, 'observe'>;
      readonly detector: string;
      readonly reason: string;
    }
  /** No run of a version is taken for a while, since too many of them failed; or again, since one that tried it went well. */
  | ({ readonly kind: 'resting' } & Resting)
  | { readonly kind: 'rested'; readonly tenant: TenantId; readonly agent: string; readonly version: string }
  /** A durable stop was put up, or lifted; `by` whom, and which run led to it. */
  | {
      readonly kind: 'quarantined' | 'lifted';
      readonly quarantine: Quarantine;
      readonly by: string;
      readonly reason: string;
      readonly run?: RunId;
    }
  /** Somebody took back a grant, and all that was derived from it. */
  | {
      readonly kind: 'revoked';
      readonly grant: GrantId;
      /** Who held it. */
      readonly run: RunId | undefined;
      readonly by: string;
      readonly reason: string;
      readonly calls_aborted: number;
    }
  /** It was paused by what it did itself: a policy, or an account above it that is spent. */
  | { readonly kind: 'paused'; readonly run: RunId; readonly by: string; readonly reason: string }
  /** A soft bound of an account was reached, for the first time in its period; by a commit of this run. */
  | {
      readonly kind: 'warned';
      readonly run: RunId;
      readonly holder: Holder;
      readonly period: SpendPeriod;
      readonly which: string;
      readonly name: SpendName;
      readonly committed: number;
      readonly soft: number;
    }
  /** A candidate that runs beside the policies in force would have decided otherwise. */
  | {
      readonly kind: 'differs';
      readonly run: RunId;
      readonly tenant: TenantId;
      readonly agent: string;
      readonly entry: number;
      readonly call: number;
      readonly action: 'call' | 'send' | 'spawn';
      /** The tool, or the agent it was for. */
      readonly target: string;
      readonly was: string;
      readonly would: string;
      readonly rules: readonly string[];
      readonly would_rules: readonly string[];
      /** Version of the candidate. */
      readonly candidate: string;
    }
  /** It may not go on before somebody has looked. */
  | { readonly kind: 'held'; readonly run: RunId; readonly why: HoldReason; readonly detail: string }
  /** What the store has of it cannot be read: it is quarantined, and the others go on. */
  | { readonly kind: 'damaged'; readonly run: RunId; readonly error: CorralError }
  | { readonly kind: 'ended'; readonly run: RunId; readonly outcome: Outcome; readonly view: RunView }
  /** A call's result was taken in by its agent, this long after it was asked for. */
  | { readonly kind: 'answered'; readonly run: RunId; readonly tool: string; readonly ms: number }
  /** Its label, what it holds, or its purse is another than before. */
  | { readonly kind: 'context'; readonly run: RunId; readonly changes: readonly ContextChange[] }
  | { readonly kind: 'emitted'; readonly run: RunId; readonly event: string; readonly data: unknown }
  | { readonly kind: 'logged'; readonly run: RunId; readonly level: string; readonly text: string }
  /** The store would not take a commit of this run. */
  | { readonly kind: 'refused'; readonly run: RunId; readonly error: CorralError }
  /** Cells cannot be started here. */
  | { readonly kind: 'hopeless'; readonly error: CorralError }
  /** This host has work and does none, or could do none; and it does again. */
  | { readonly kind: 'stalled'; readonly stall: Stall }
  | { readonly kind: 'moves'; readonly reason: Stall['reason']; readonly since: number };

export type Tell = (observation: Observation) => void;

/** Who follows what happens. They change nothing. */
export class Observers {
  readonly #all = new Set<Tell>();

  readonly tell: Tell = (observation) => {
    for (const observer of this.#all) observer(observation);
  };

  /** Whether anybody listens. */
  get any(): boolean {
    return this.#all.size > 0;
  }

  /** @returns what ends it */
  add(observer: Tell): () => void {
    this.#all.add(observer);
    return () => this.#all.delete(observer);
  }
}
