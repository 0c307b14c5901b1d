/** The events by which a host reports on its runs and on itself, and those who observe them. */
import type { ContextChange } from '@corral/protocol/model/context';
import type { Decision } from '@corral/protocol/model/decision';
import type { Json } from '@corral/protocol/json';
import type { CorralError } from '@corral/protocol/errors';
import type { Digest, GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Names } from '@corral/protocol/model/label';
import type { Control, HoldReason, LadderStep, Lifecycle, Residency, RunRecord, WaitingOn } from '@corral/protocol/model/run';
import type { Holder, SpendName, SpendPeriod } from '@corral/protocol/model/spend';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import type { ToldPlace } from '@corral/protocol/ports/events';
import type { Maker } from '@corral/protocol/ports/tool';
import type { PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import type { Asked } from './asked.ts';

/** An agent version whose breaker is open (new runs are refused) or half open (a few are let through as probes). */
export interface Resting {
  readonly tenant: TenantId;
  readonly agent: string;
  readonly version: string;
  readonly why: string;
  readonly state: 'open' | 'half_open';
  /** When the next probe is let through, in milliseconds since 1970; in the past while the breaker is half open. */
  readonly until: number;
}

/** Why a host is stalled: it does no work, though it has some or could get some. */
export type Stall =
  /** Runs have something to do, and no crank has ended since then. `oldest_ms`: how long the run that waits longest has waited. */
  | { readonly reason: 'no_progress'; readonly since: number; readonly oldest_ms: number }
  /** No cell is ready, and those that were started since then died before they were ready. */
  | { readonly reason: 'cells_do_not_start'; readonly since: number };

export interface RunView {
  readonly id: RunId;
  readonly tenant: TenantId;
  readonly agent: string;
  /** Key of a service's instance. */
  readonly key: string | undefined;
  /** The people whose private data the key may hold, which the run that first wrote to the instance has chosen. */
  readonly key_private_to: Names;
  readonly parent: RunId | undefined;
  readonly lifecycle: Lifecycle;
  readonly control: Control;
  readonly residency: Residency;
  readonly waiting: WaitingOn;
  /** Names what it waits for: a tool, a number of children. */
  readonly waitingFor: string;
  readonly outcome: Outcome | undefined;
  /** Its step on the ladder of measures against loops. */
  readonly rung: LadderStep;
  readonly on_cpu: boolean;
  /** It has something to do, and waits for the host. */
  readonly runnable: boolean;
  readonly cpu_ms: number;
  readonly heap_kib: number;
  readonly calls: number;
  /** Tokens that the run and its ended children spent. */
  readonly tokens: number;
  readonly money_micros: number;
  /** Calls that have no answer yet. */
  readonly open_calls: number;
  readonly effects: number;
  /** Share that is left of the budget's amount that runs out first; from 0 to 1. */
  readonly left: number;
  /** So little is left of an amount that operators are told. */
  readonly low: boolean;
  /** Time since its first crank, paused time included. */
  readonly age_ms: number;
  /** Time since its last crank began; for a crank that was stopped, its time on the CPU plus the time since it was stopped. */
  readonly crank_age_ms: number;
}

/** A run that this host has taken into memory. */
export interface Taken {
  readonly record: RunRecord;
  /** The version of its agent that it runs now. */
  readonly version: Digest;
  /** The epoch of its lease. */
  readonly epoch: number;
  /** It has no entry yet: this is the first time that it is in memory, unless a host was lost before its first crank was over. */
  readonly fresh: boolean;
}

/** Contents of a call, and who alone may read them; nobody is named for what is public. */
export interface CallContent {
  readonly input: Json;
  readonly input_private_to: readonly string[];
  readonly result_private_to: readonly string[];
}

export type Observation =
  /** `taken`: absent for an instance of a service that a message made, which is in the store alone. */
  | { readonly kind: 'admitted'; readonly run: RunId; readonly taken?: Taken }
  | { readonly kind: 'woken'; readonly run: RunId; readonly taken: Taken }
  | { readonly kind: 'began'; readonly run: RunId }
  | { readonly kind: 'parked'; readonly run: RunId; readonly view: RunView }
  /** A call waits for people to decide about it. */
  | {
      readonly kind: 'asked';
      readonly run: RunId;
      readonly call: number;
      readonly tool: string;
      readonly asked: Asked;
    }
  | {
      readonly kind: 'decided';
      readonly run: RunId;
      readonly call: number;
      readonly by: string;
      readonly verdict: 'approve' | 'deny' | 'expired';
      /** People were asked for an answer, and not for approval. */
      readonly question: boolean;
      /** The call, and when people were asked, in milliseconds since 1970. */
      readonly tool: string;
      readonly since: number;
      readonly reason: string;
      readonly shape: string;
      /** Nobody is asked about it any more. */
      readonly last: boolean;
    }
  /** A call about which people were asked will not be made: its capability was taken back before anybody had decided. As of `decided`. */
  | {
      readonly kind: 'withdrawn';
      readonly run: RunId;
      readonly call: number;
      readonly question: boolean;
      readonly tool: string;
      readonly since: number;
      readonly reason: string;
      readonly shape: string;
    }
  /** The finding of a detector took a run up the ladder. */
  | {
      readonly kind: 'step';
      readonly run: RunId;
      readonly step: Exclude<LadderStep, 'observe'>;
      readonly detector: string;
      readonly reason: string;
    }
  /** The breaker of a version opened, because too many of its runs failed; or closed, because the probes completed. */
  | ({ readonly kind: 'resting' } & Resting)
  | { readonly kind: 'rested'; readonly tenant: TenantId; readonly agent: string; readonly version: string }
  /** A quarantine was set or lifted. `by`: who did it; `run`: the run that caused it. */
  | {
      readonly kind: 'quarantined' | 'lifted';
      readonly quarantine: Quarantine;
      readonly by: string;
      readonly reason: string;
      readonly run?: RunId;
    }
  /** A grant was revoked, with all grants derived from it. */
  | {
      readonly kind: 'revoked';
      readonly grant: GrantId;
      /** The run that held the grant. */
      readonly run: RunId | undefined;
      readonly by: string;
      readonly reason: string;
      readonly calls_aborted: number;
    }
  /** A run was paused, put under quarantine or resumed, by whomever, and its journal has it. */
  | { readonly kind: 'controlled'; readonly run: RunId; readonly control: Control; readonly by: string }
  /** A run was paused because of its own doing: by a policy, or because an account above it is spent. */
  | { readonly kind: 'paused'; readonly run: RunId; readonly by: string; readonly reason: string }
  /** A commit of this run reached the soft bound of an account, for the first time in the account's period. */
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
  /** The candidate policies would have decided differently from the policies in force. */
  | {
      readonly kind: 'differs';
      readonly run: RunId;
      readonly tenant: TenantId;
      readonly agent: string;
      readonly entry: number;
      readonly call: number;
      readonly action: 'call' | 'send' | 'spawn';
      /** The tool, or the agent to which the message or spawn goes. */
      readonly target: string;
      readonly was: string;
      readonly would: string;
      readonly rules: readonly string[];
      readonly would_rules: readonly string[];
      /** Version of the candidate. */
      readonly candidate: string;
    }
  /** A run must not go on until a person has decided about it. */
  | { readonly kind: 'held'; readonly run: RunId; readonly why: HoldReason; readonly detail: string }
  /** A run cannot be read from the store: it is quarantined, and other runs go on. */
  | { readonly kind: 'damaged'; readonly run: RunId; readonly error: CorralError }
  | { readonly kind: 'ended'; readonly run: RunId; readonly outcome: Outcome; readonly view: RunView; readonly taken: Taken }
  /**
   * The agent got the result of a call in a crank; `ms`: time since it asked for the call, or since this host did for it. Undefined: another host
   * asked, or nobody did.
   */
  | {
      readonly kind: 'answered';
      readonly run: RunId;
      readonly tool: string;
      readonly ms: number | undefined;
      readonly call: number;
      readonly result: Result;
      /** Undefined: the host has settled the call in the place of its tool. */
      readonly content?: CallContent;
    }
  /** As `answered`, for a request to another run. `what`: `service:claims`, or `mailbox`. `peer`: the run that was asked, if known. */
  | {
      readonly kind: 'replied';
      readonly run: RunId;
      readonly call: number;
      readonly what: string;
      readonly peer: RunId | undefined;
      readonly result: Result;
    }
  /** A crank was taken in. `ms`: time since its delivery was sent to a cell; `inbox`: the number of the message that it got. */
  | {
      readonly kind: 'cranked';
      readonly run: RunId;
      readonly delivery: PendingDelivery;
      readonly inbox: number | undefined;
      readonly ms: number;
      readonly cpu_us: number;
    }
  /** A run has ended, and got no answer to this call or request. `code`: how it ended. */
  | {
      readonly kind: 'left';
      readonly run: RunId;
      readonly call: number;
      readonly tool: string;
      readonly peer: RunId | undefined;
      readonly ms: number | undefined;
      readonly code: string;
    }
  /** Effects of a crank were refused: this is the first of `count` that were refused alike. */
  | { readonly kind: 'denied'; readonly run: RunId; readonly decision: Decision; readonly count: number }
  /** A call was carried out, and its agent is not given the answer: its capability was taken back, or its run was ended. */
  | { readonly kind: 'withheld'; readonly run: RunId; readonly call: number }
  /** The label, the capabilities or the purse of a run changed. */
  | { readonly kind: 'context'; readonly run: RunId; readonly changes: readonly ContextChange[] }
  /**
   * Parts of a stream are in the journal. `offset`: parts of it before these; `place`: the entry whose delivery they are. `first`: for the first
   * parts of a call that this host has made, its tool, and how long the agent had waited for them.
   */
  | {
      readonly kind: 'chunk';
      readonly first?: { readonly tool: string; readonly maker: Maker | undefined; readonly ms: number };
      readonly run: RunId;
      readonly call: number;
      readonly offset: number;
      readonly count: number;
      readonly place: ToldPlace;
    }
  /** `place`: where the journal has it. */
  | { readonly kind: 'emitted'; readonly run: RunId; readonly event: string; readonly data: unknown; readonly place: ToldPlace }
  | {
      readonly kind: 'logged';
      readonly run: RunId;
      readonly level: string;
      readonly text: string;
      /** Undefined: the host has logged it, in words of its own. */
      readonly place: ToldPlace | undefined;
    }
  /** The store refused a commit of this run. */
  | { readonly kind: 'refused'; readonly run: RunId; readonly error: CorralError }
  /** Cells cannot be started on this machine. */
  | { readonly kind: 'hopeless'; readonly error: CorralError }
  /** This host is stalled; or it is no longer stalled, for this reason. */
  | { readonly kind: 'stalled'; readonly stall: Stall }
  | { readonly kind: 'moves'; readonly reason: Stall['reason']; readonly since: number };

export type Tell = (observation: Observation) => void;

/** Observers of a host's events. They change nothing. */
export class Observers {
  readonly #all = new Set<Tell>();

  readonly tell: Tell = (observation) => {
    for (const observer of this.#all) observer(observation);
  };

  /**
   * Tells of a commit that is durable. An observer that throws must not have it taken for one that the store refused, so the error is not the
   * caller's but that of the process.
   */
  tellOf(seen: readonly Observation[]): void {
    try {
      for (const one of seen) this.tell(one);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /** Whether anybody listens. */
  get any(): boolean {
    return this.#all.size > 0;
  }

  /** @returns a function that removes the observer */
  add(observer: Tell): () => void {
    this.#all.add(observer);
    return () => this.#all.delete(observer);
  }
}
