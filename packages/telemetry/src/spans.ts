/**
 * Makes spans of facts. The parent of every span is the span of its run, which has no length and is sent again by each host that takes the run
 * up: a stretch in memory that ends with a lost host is never sent, and nothing may hang from it. Waits are links.
 */
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import { KIND, NOT_MEASURED } from './facts.ts';
import type { Known, KnownRuns } from './known.ts';
import { BEFORE, CORRAL, GEN_AI, OPERATION, SPAN } from './names.ts';
import { MinuteRate } from './rate.ts';
import type { Fact } from './reading.ts';
import { SPAN_KIND, spanOf, spanOfRun, spanOfSegment, traceOf, type Attributes, type Link, type Span, type Value } from './span.ts';
import { LEAVES } from './vocabulary.ts';

/** Ends that nobody has to look at. */
const GOOD: ReadonlySet<string> = new Set(['completed', 'cancelled']);
const MAILBOX = 'mailbox';
const WAITS: Readonly<Record<string, string>> = { timer: SPAN.timer, child_ended: SPAN.child };

export interface SpanOptions {
  readonly known: KnownRuns;
  readonly send: (span: Span) => void;
  /** Whether only the latest names are sent; see `latestOnly`. */
  readonly latest: boolean;
  /** A span of an error was left out, because its run or tenant had too many in this minute. */
  readonly over: () => void;
}

/** Attributes without those that have no value. */
const said = (...all: readonly (readonly [string, Value | undefined])[]): Attributes =>
  all.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value] as const]));

const linkTo = (trace: Uint8Array, span: Uint8Array, what: string): Link => ({ trace, span, attributes: [[CORRAL.link, what]] });

interface Rest extends Partial<Pick<Span, 'from' | 'kind' | 'links' | 'error'>> {
  readonly attributes?: Attributes;
  /** The end of a run is told however many errors it had. */
  readonly isEnd?: boolean;
}

export class Spans {
  readonly #options: SpanOptions;
  readonly #errors = new MinuteRate();

  constructor(options: SpanOptions) {
    this.#options = options;
  }

  take(fact: Fact, run: Known): void {
    switch (fact.kind) {
      case KIND.run:
        if (run.sampled) this.#run(run);
        return;
      case KIND.parked:
      case KIND.ended:
        return this.#segment(fact, run);
      case KIND.call:
        return this.#call(fact, run);
      case KIND.crank:
        return this.#waited(fact, run);
      case KIND.message:
        return this.#message(fact, run);
      case KIND.decided:
        return this.#decided(fact, run);
      case KIND.denied:
        return this.#denied(fact, run);
      case KIND.act:
        // The stretch is over, and no other fact will say so.
        if (LEAVES.has(fact.texts[0])) this.#segment(fact, run);
        return this.#acted(fact, run);
      case KIND.began:
      case KIND.asked:
      case KIND.step:
      case KIND.caller:
      case KIND.firstChunk:
      case KIND.content:
      case KIND.log:
    }
  }

  /**
   * Sends a span of a run, if its family is sampled or something went wrong; then those that it hangs from go along.
   * @returns whether it was sent
   */
  #send(run: Known, id: Uint8Array, name: string, to: number, rest: Rest): boolean {
    const { error } = rest;
    if (!run.sampled && error === undefined) return false;
    if (error !== undefined && rest.isEnd !== true && !this.#mayFail(run, to)) {
      this.#options.over();
      return false;
    }
    this.#run(run);
    this.#options.send({
      run: run.run,
      tenant: run.tenant,
      isOfRun: false,
      trace: run.trace,
      id,
      parent: spanOfRun(run.run),
      name,
      kind: rest.kind ?? SPAN_KIND.internal,
      from: rest.from ?? to,
      to,
      attributes: [...(rest.attributes ?? []), [CORRAL.run, run.run], [CORRAL.tenant, run.tenant]],
      links: rest.links ?? [],
      error,
    });
    return true;
  }

  /** Errors are sent of all families, and a run can make any number of them at no cost: by asking for what it may not do. */
  #mayFail({ run, tenant }: Known, at: number): boolean {
    return this.#errors.may(at, [
      [run, TELEMETRY.errors_per_run_minute.default],
      [tenant, TELEMETRY.errors_per_tenant_minute.default],
    ]);
  }

  /** The span of a run, and those of its ancestors, unless this process has sent them. */
  #run(run: Known): void {
    if (run.sent) return;
    run.sent = true;
    const parent = this.#options.known.get(run.parent);
    if (parent !== undefined) this.#run(parent);
    this.#options.send({
      run: run.run,
      tenant: run.tenant,
      isOfRun: true,
      trace: run.trace,
      id: spanOfRun(run.run),
      parent: run.parent === undefined ? undefined : spanOfRun(run.parent),
      name: `${SPAN.run} ${run.agent}`,
      kind: SPAN_KIND.internal,
      from: run.created_at,
      to: run.created_at,
      attributes: [...this.#agent(run), [CORRAL.run, run.run], [CORRAL.tenant, run.tenant]],
      links: [
        ...(run.origin === undefined ? [] : [linkTo(traceOf(run.origin), spanOfRun(run.origin), 'fork')]),
        ...(run.caller === undefined ? [] : [linkTo(run.caller.trace, run.caller.span, 'caller')]),
      ],
      error: undefined,
    });
  }

  #agent({ agent, version, root }: Known): Attributes {
    return said([GEN_AI.agent, agent], [GEN_AI.agentVersion, version], [GEN_AI.conversation, root]);
  }

  /**
   * A stretch in memory is over: the run was parked, has ended, or was dropped. A run that ends without one was ended from outside while it was in
   * the store, or as it came back; its end is a span without length.
   */
  #segment({ kind, texts: [what, why], numbers: [at = 0, cpu_ms = 0, calls = 0, cost = 0] }: Fact, run: Known): void {
    const { segment } = run;
    const ended = kind === KIND.ended;
    if (segment === undefined && !ended) return;
    run.segment = undefined;
    const error = ended && !GOOD.has(what) ? why || what : undefined;
    // Not the stretch of the epoch before: its host may have been lost, or have given the lease up and taken it again.
    const links = segment?.resumed === true ? [linkTo(run.trace, run.last ?? spanOfRun(run.run), 'resumed')] : [];
    const more = ended
      ? said([CORRAL.outcome, what], [CORRAL.cpu_ms, cpu_ms], [CORRAL.calls, calls], [CORRAL.cost, cost])
      : said([CORRAL.waiting, what]);
    const id = segment === undefined ? spanOf(run.run, 'end', 0) : spanOfSegment(run.run, segment.epoch);
    const sent = this.#send(run, id, `${SPAN.segment} ${run.agent}`, at, {
      from: Math.min(segment?.from ?? at, at),
      links,
      error,
      isEnd: true,
      attributes: [
        ...said(
          [GEN_AI.operation, OPERATION.agent],
          [CORRAL.epoch, segment?.epoch],
          [CORRAL.cranks, segment?.cranks],
          [GEN_AI.error, error],
        ),
        ...this.#agent(run),
        ...more,
      ],
    });
    if (sent) run.last = id;
  }

  #call({ number, peer, count, texts, numbers, contents = [] }: Fact, run: Known): void {
    const [tool, code, provider, model] = texts;
    const [at = 0, took_ms = NOT_MEASURED, input = 0, output = 0, cost = 0] = numbers;
    const error = code === '' ? undefined : code;
    // A span without length says when the answer came, where nobody knows when it was asked for.
    const from = took_ms === NOT_MEASURED ? at : at - took_ms;
    const common = said(
      [GEN_AI.error, error],
      [CORRAL.attempts, count > 1 ? count : undefined],
      [CORRAL.cost, cost > 0 ? cost : undefined],
      [GEN_AI.conversation, run.root],
      ...contents,
    );
    const id = spanOf(run.run, 'call', number);
    if (provider !== '' || model !== '') {
      const attributes = [
        ...said([GEN_AI.operation, OPERATION.chat], [GEN_AI.provider, provider], [GEN_AI.model, model]),
        ...said([GEN_AI.inputTokens, input || undefined], [GEN_AI.outputTokens, output || undefined]),
        ...(this.#options.latest ? [] : said([BEFORE.provider, provider])),
        ...common,
      ];
      this.#send(run, id, `${SPAN.model} ${model}`, at, { from, error, attributes, kind: SPAN_KIND.client });
      return;
    }
    // Another run answers a request; nothing of it is known here but its name, so it is a link and not a child.
    const isRequest = peer !== undefined || tool === MAILBOX || tool.startsWith('service:');
    const known = this.#options.known.get(peer);
    // An instance of a service begins a trace of its own. The trace of another run that was asked may not be known.
    const trace = known?.trace ?? (peer !== undefined && tool !== MAILBOX ? traceOf(peer) : undefined);
    const links = peer === undefined || trace === undefined ? [] : [linkTo(trace, spanOfRun(peer), 'request')];
    const attributes = [...said([GEN_AI.operation, OPERATION.tool], [GEN_AI.tool, tool], [GEN_AI.toolCall, String(number)]), ...common];
    this.#send(run, id, `${isRequest ? SPAN.request : SPAN.tool} ${tool}`, at, { from, error, links, attributes });
  }

  /** A crank began with what the run had waited for. Answers of calls have spans, and so have messages. */
  #waited({ number, peer, texts: [delivery], numbers: [at = 0] }: Fact, run: Known): void {
    const name = WAITS[delivery];
    if (name === undefined) return;
    const link = peer === undefined ? linkTo(run.trace, spanOfRun(run.run), delivery) : linkTo(run.trace, spanOfRun(peer), delivery);
    this.#send(run, spanOf(run.run, delivery, number), name, at, { links: [link] });
  }

  #message({ number, peer, numbers: [at = 0] }: Fact, run: Known): void {
    if (peer === undefined) return;
    const trace = this.#options.known.get(peer)?.trace;
    const links = trace === undefined ? [] : [linkTo(trace, spanOfRun(peer), 'message')];
    this.#send(run, spanOf(run.run, 'message', number), SPAN.message, at, { links, kind: SPAN_KIND.consumer });
  }

  #decided({ number, texts: [tool, verdict], numbers: [at = 0, waited_ms = 0] }: Fact, run: Known): void {
    const error = verdict === 'approve' ? undefined : verdict;
    // A call that is refused is never made, and has no span. Several people may decide about one call, so the time tells them apart.
    const about = error === undefined ? spanOf(run.run, 'call', number) : spanOfRun(run.run);
    this.#send(run, spanOf(run.run, `approval ${at}`, number), SPAN.approval, at, {
      error,
      links: [linkTo(run.trace, about, 'approval')],
      attributes: said([GEN_AI.tool, tool], [CORRAL.verdict, verdict], [CORRAL.waited_ms, waited_ms], [GEN_AI.error, error]),
    });
  }

  #denied({ number, texts: [what, code, rule], numbers: [at = 0, count = 1] }: Fact, run: Known): void {
    const attributes = said([CORRAL.what, what], [GEN_AI.error, code], [CORRAL.rule, rule], [CORRAL.count, count > 1 ? count : undefined]);
    this.#send(run, spanOf(run.run, 'denied', number), SPAN.denied, at, { error: code, attributes });
  }

  /** Somebody or something stopped the run. Acts have no number, so the time tells them apart. */
  #acted({ texts: [what], numbers: [at = 0] }: Fact, run: Known): void {
    this.#send(run, spanOf(run.run, what, at), SPAN.acted, at, { error: what, attributes: said([CORRAL.what, what]) });
  }
}
