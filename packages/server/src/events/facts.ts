/**
 * Makes facts for the thread of telemetry of the events that a host tells its observers. It knows the runs in memory, because their facts say what all others are
 * about: one that was dropped, or that a new thread has not heard, is written again before the next fact about its run.
 */
import { modelIn, type RunId } from '@corral/protocol/ids';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import type { Result } from '@corral/protocol/wire/delivery';
import type { Observation, Taken } from '@corral/supervisor';
import { callerIn, type Caller } from '@corral/telemetry/caller';
import type { FactWriter, RunFact } from '@corral/telemetry/facts';
import { logText, SEVERITY } from '@corral/telemetry/log';
import { CORRAL, GEN_AI } from '@corral/telemetry/names';
import { contentOf, PRIVATE, STREAMED_CHARS, textOfParts } from './content.ts';

const INFO = 9;

/** An observation of one kind. */
type Seen<K extends Observation['kind']> = Extract<Observation, { readonly kind: K }>;

/** A run in memory: its fact, and the span of whoever submitted it. */
interface Here extends RunFact {
  readonly caller: Caller | undefined;
  /** Texts of answers that come in parts, by call; undefined: nobody asked for the contents of this run's calls. */
  readonly streamed: Map<number, string> | undefined;
}

/** Parts of telemetry that a configuration asks for. */
export interface Wanted {
  /** Whether the contents of the calls of a family are sent. */
  readonly content: (tenant: string, root: RunId) => boolean;
  /** Whether lines are sent that agents write. */
  readonly logs: boolean;
}

const NAMES_ALONE: Wanted = { content: () => false, logs: false };

export class RunFacts {
  readonly #facts: FactWriter;
  readonly #now: () => number;
  readonly #wanted: Wanted;
  readonly #here = new Map<RunId, Here>();
  /** Runs in memory whose fact the thread has not got. */
  readonly #missing = new Set<RunId>();
  /** First ancestors of runs that have left memory, by which the log names their traces; those that were asked for least recently go first. */
  readonly #gone = new Map<RunId, RunId>();

  /** @param now milliseconds since 1970 */
  constructor(facts: FactWriter, now: () => number, wanted: Wanted = NAMES_ALONE) {
    this.#facts = facts;
    this.#now = now;
    this.#wanted = wanted;
  }

  /** The first ancestor of a run; undefined for a run that has not been in memory, or not for long. */
  rootOf(run: RunId): RunId | undefined {
    const here = this.#here.get(run);
    if (here !== undefined) return here.root;
    const root = this.#gone.get(run);
    if (root !== undefined) this.#keep(run, root);
    return root;
  }

  /** The thread was started again, and knows nothing. */
  restarted(): void {
    for (const run of this.#here.keys()) this.#missing.add(run);
  }

  readonly write = (seen: Observation): void => {
    const facts = this.#facts;
    const at = this.#now();
    if (this.#missing.size > 0 && 'run' in seen && seen.run !== undefined) this.#again(seen.run);
    switch (seen.kind) {
      case 'admitted':
      case 'woken':
        return this.#entered(seen.taken, seen.kind === 'admitted' || seen.taken.fresh ? undefined : at);
      case 'began':
        return facts.began(seen.run, at);
      case 'parked':
        facts.parked(seen.run, at, seen.view.waiting);
        return this.#left(seen.run);
      case 'ended':
        return this.#ended(seen, at);
      case 'cranked':
        this.#streamed(seen);
        return cranked(facts, seen, at);
      case 'answered':
        this.#content(seen);
        return called(facts, { ...seen, peer: undefined }, at);
      case 'replied':
        return called(facts, { ...seen, tool: seen.what, ms: undefined }, at);
      case 'left':
        return called(facts, { ...seen, result: undefined }, at);
      case 'asked':
        return facts.asked(seen.run, at, seen.call, seen.tool);
      case 'decided':
        return facts.decided(seen.run, at, seen.call, seen.tool, seen.verdict, seen.since);
      case 'denied': {
        const { id, tool, agent, action, code, rules } = seen.decision;
        return facts.denied(seen.run, at, id, tool ?? agent ?? action ?? 'effect', code ?? 'denied', rules?.[0] ?? '', seen.count);
      }
      case 'step':
        return facts.step(seen.run, at, seen.detector, seen.step);
      case 'damaged':
      case 'refused':
        facts.act(seen.run, at, seen.kind);
        return this.#left(seen.run);
      case 'quarantined':
      case 'revoked':
      case 'paused':
      case 'held':
        return facts.act(seen.run, at, seen.kind);
      case 'lifted':
      case 'resting':
      case 'rested':
      case 'warned':
      case 'hopeless':
        return facts.act(undefined, at, seen.kind);
      case 'chunk':
        return firstChunk(facts, seen, at);
      case 'logged':
        return this.#logged(seen, at);
      case 'differs':
      case 'context':
      case 'emitted':
      case 'controlled':
      case 'withheld':
      case 'withdrawn':
      case 'stalled':
      case 'moves':
    }
  };

  #entered(taken: Taken | undefined, woken_at: number | undefined): void {
    if (taken === undefined) return;
    const { record, version, epoch } = taken;
    const { id: run, root, parent, tenant, agent, origin } = record;
    const first = root ?? parent?.run ?? run;
    const here = {
      run,
      root: first,
      parent: parent?.run,
      tenant,
      agent,
      version,
      // A fork has the clock of its origin, and was made later.
      created_at: origin?.forked_at ?? record.created_at,
      epoch,
      woken_at,
      origin: origin?.run,
      caller: callerIn(record.trace),
      streamed: this.#wanted.content(tenant, first) ? new Map<number, string>() : undefined,
    };
    this.#here.set(run, here);
    if (this.#tell(here)) this.#missing.delete(run);
    else this.#missing.add(run);
  }

  /** @returns whether the thread will know the run */
  #tell(here: Here): boolean {
    if (here.caller !== undefined) this.#facts.caller(here.run, here.caller);
    return this.#facts.run(here);
  }

  #again(run: RunId): void {
    if (!this.#missing.has(run)) return;
    const here = this.#here.get(run);
    if (here === undefined || this.#tell(here)) this.#missing.delete(run);
  }

  #content({ run, call, tool, result, content }: Seen<'answered'>): void {
    const streamed = this.#here.get(run)?.streamed;
    if (streamed === undefined || content === undefined) return;
    for (const [name, text] of contentOf(tool, content, result, streamed.get(call))) this.#facts.content(run, call, name, text);
    streamed.delete(call);
  }

  /** Keeps the beginning of an answer that comes in parts until its call is over. */
  #streamed({ run, delivery }: Seen<'cranked'>): void {
    const streamed = delivery.kind === 'chunk' ? this.#here.get(run)?.streamed : undefined;
    if (streamed === undefined || delivery.kind !== 'chunk') return;
    const before = streamed.get(delivery.id) ?? '';
    if (before.length <= STREAMED_CHARS) streamed.set(delivery.id, (before + textOfParts(delivery.parts)).slice(0, STREAMED_CHARS + 1));
  }

  #logged({ run, level, text, place }: Seen<'logged'>, at: number): void {
    if (!this.#wanted.logs) return;
    const { tenant, agent } = this.#here.get(run) ?? {};
    const fields = { [CORRAL.agentLog]: true, [CORRAL.tenant]: tenant, [GEN_AI.agent]: agent };
    this.#facts.log(run, at, SEVERITY[level] ?? INFO, logText(place?.isPrivate === true ? PRIVATE : text, fields));
  }

  #ended({ run, outcome, view, taken }: Seen<'ended'>, at: number): void {
    // Nothing was said before of a run that was ended as it came back.
    if (!this.#here.has(run)) this.#entered(taken, at);
    const why = 'code' in outcome ? outcome.code : 'limit' in outcome ? outcome.limit : undefined;
    const { cpu_ms, calls, money_micros } = view;
    this.#facts.ended({ run, at, outcome: outcome.kind, why, cpu_ms, calls, money_micros });
    this.#left(run);
  }

  #left(run: RunId): void {
    const here = this.#here.get(run);
    this.#here.delete(run);
    this.#missing.delete(run);
    if (here !== undefined) this.#keep(run, here.root);
  }

  #keep(run: RunId, root: RunId): void {
    this.#gone.delete(run);
    this.#gone.set(run, root);
    if (this.#gone.size <= TELEMETRY.runs_known.default) return;
    const [oldest] = this.#gone.keys();
    if (oldest !== undefined) this.#gone.delete(oldest);
  }
}

function cranked(facts: FactWriter, { run, delivery, inbox, ms, cpu_us }: Seen<'cranked'>, at: number): void {
  const { kind } = delivery;
  if (kind === 'message') facts.message(run, at, delivery.from.run, inbox ?? 0);
  const number = kind === 'timer' || kind === 'child_ended' ? delivery.id : 0;
  facts.crank(run, at, kind, ms, cpu_us, number, kind === 'child_ended' ? delivery.run : undefined);
}

/** Figures about first parts are of models: the conventions have none about tools. */
function firstChunk(facts: FactWriter, { run, first }: Seen<'chunk'>, at: number): void {
  const asked = first && modelIn(first.tool);
  if (asked !== undefined) facts.firstChunk(run, at, first?.ms ?? 0, first?.maker?.provider ?? 'unknown', first?.maker?.model ?? asked);
}

/** The answer of a model, as far as telemetry reads it; see `ModelAnswer` of packages/tools. */
interface Said {
  readonly usage?: { readonly inputTokens?: { readonly total?: number }; readonly outputTokens?: { readonly total?: number } };
  readonly maker?: { readonly provider?: string; readonly model?: string };
}

/** A call or request that is over. `result`: undefined if its run ended before there was one, for which `code` stands. */
interface Called {
  readonly run: RunId;
  readonly call: number;
  readonly tool: string;
  readonly ms: number | undefined;
  readonly result: Result | undefined;
  readonly peer: RunId | undefined;
  readonly code?: string;
}

function called(facts: FactWriter, { run, call, tool, ms, result, peer, code }: Called, at: number): void {
  const asked = modelIn(tool);
  const said = (asked !== undefined && result !== undefined && 'value' in result ? result.value : undefined) as Said | null | undefined;
  facts.call({
    run,
    call,
    tool,
    code: result !== undefined && 'error' in result ? result.error.code : code,
    at,
    took_ms: ms,
    attempts: result?.attempts ?? 1,
    provider: asked === undefined ? undefined : (said?.maker?.provider ?? 'unknown'),
    model: said?.maker?.model ?? asked,
    input_tokens: said?.usage?.inputTokens?.total ?? 0,
    output_tokens: said?.usage?.outputTokens?.total ?? 0,
    money_micros: result?.cost?.money_micros ?? 0,
    peer,
  });
}
