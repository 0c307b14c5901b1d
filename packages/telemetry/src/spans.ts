/**
 * Makes spans of facts. The parent of every span is the span of its run, which has no length and is sent again by each host that takes the run
 * up: a stretch in memory that ends with a lost host is never sent, and nothing may hang from it. Waits are links.
 */
import { KIND } from './facts.ts';
import type { Known, KnownRuns } from './known.ts';
import { BEFORE, CORRAL, GEN_AI, OPERATION, SPAN } from './names.ts';
import type { Fact } from './reading.ts';
import { SPAN_KIND, spanOf, spanOfRun, spanOfSegment, traceOf, type Attributes, type Link, type Span, type Value } from './span.ts';

/** Ends that nobody has to look at. */
const GOOD: ReadonlySet<string> = new Set(['completed', 'cancelled']);
const MAILBOX = 'mailbox';
const WAITS: Readonly<Record<string, string>> = { timer: SPAN.timer, child_ended: SPAN.child };

export interface SpanOptions {
  readonly known: KnownRuns;
  readonly send: (span: Span) => void;
  /** Whether only the latest names are sent; see `latestOnly`. */
  readonly latest: boolean;
}

/** Attributes without those that have no value. */
const said = (...all: readonly (readonly [string, Value | undefined])[]): Attributes =>
  all.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value] as const]));

const linkTo = (trace: Uint8Array, span: Uint8Array, what: string): Link => ({ trace, span, attributes: [[CORRAL.link, what]] });

type Rest = Partial<Pick<Span, 'from' | 'kind' | 'links' | 'error'>> & { readonly attributes?: Attributes };

export class Spans {
  readonly #options: SpanOptions;

  constructor(options: SpanOptions) {
    this.#options = options;
  }

  take(fact: Fact, run: Known): void {
    switch (fact.kind) {
      case KIND.run:
        if (run.sampled) this.#run(run);
        return;
      case KIND.parked:
        return this.#segment(fact, run);
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
        return this.#acted(fact, run);
      case KIND.began:
      case KIND.asked:
      case KIND.step:
      case KIND.caller:
    }
  }

  /** Sends a span of a run, if its family is sampled or something went wrong; then those that it hangs from go along. */
  #send(run: Known, id: Uint8Array, name: string, to: number, rest: Rest): void {
    if (!run.sampled && rest.error === undefined) return;
    this.#run(run);
    this.#options.send({
      trace: run.trace,
      id,
      parent: spanOfRun(run.run),
      name,
      kind: rest.kind ?? SPAN_KIND.internal,
      from: rest.from ?? to,
      to,
      attributes: [...(rest.attributes ?? []), [CORRAL.run, run.run], [CORRAL.tenant, run.tenant]],
      links: rest.links ?? [],
      error: rest.error,
    });
  }

  /** The span of a run, and those of its ancestors, unless this process has sent them. */
  #run(run: Known): void {
    if (run.sent) return;
    run.sent = true;
    const parent = this.#options.known.get(run.parent);
    if (parent !== undefined) this.#run(parent);
    this.#options.send({
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

  /** A stretch in memory is over: the run was parked, or has ended. */
  #segment({ kind, texts: [what, why], numbers: [at = 0, cpu_ms = 0, calls = 0, cost = 0] }: Fact, run: Known): void {
    const segment = run.segment;
    if (segment === undefined) return;
    run.segment = undefined;
    const ended = kind === KIND.ended;
    const error = ended && !GOOD.has(what) ? why || what : undefined;
    const { epoch, from, resumed, cranks } = segment;
    const links = resumed && epoch > 1 ? [linkTo(run.trace, spanOfSegment(run.run, epoch - 1), 'resumed')] : [];
    const more = ended
      ? said([CORRAL.outcome, what], [CORRAL.cpu_ms, cpu_ms], [CORRAL.calls, calls], [CORRAL.cost, cost])
      : said([CORRAL.waiting, what]);
    this.#send(run, spanOfSegment(run.run, epoch), `${SPAN.segment} ${run.agent}`, at, {
      from: Math.min(from, at),
      links,
      error,
      attributes: [
        ...said([GEN_AI.operation, OPERATION.agent], [CORRAL.epoch, epoch], [CORRAL.cranks, cranks], [GEN_AI.error, error]),
        ...this.#agent(run),
        ...more,
      ],
    });
  }

  #call({ number, peer, count, texts, numbers }: Fact, run: Known): void {
    const [tool, code, provider, model] = texts;
    const [at = 0, took_ms = 0, input = 0, output = 0, cost = 0] = numbers;
    const error = code === '' ? undefined : code;
    const from = at - took_ms;
    const common = said(
      [GEN_AI.error, error],
      [CORRAL.attempts, count > 1 ? count : undefined],
      [CORRAL.cost, cost > 0 ? cost : undefined],
      [GEN_AI.conversation, run.root],
    );
    const id = spanOf(run.run, 'call', number);
    if (provider !== '' || model !== '') {
      const attributes = [
        ...said([GEN_AI.operation, OPERATION.chat], [GEN_AI.provider, provider], [GEN_AI.model, model]),
        ...said([GEN_AI.inputTokens, input || undefined], [GEN_AI.outputTokens, output || undefined]),
        ...(this.#options.latest ? [] : said([BEFORE.provider, provider])),
        ...common,
      ];
      return this.#send(run, id, `${SPAN.model} ${model}`, at, { from, error, attributes, kind: SPAN_KIND.client });
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

  #message({ number, peer, other, numbers: [at = 0] }: Fact, run: Known): void {
    if (peer === undefined) return;
    const trace = this.#options.known.get(peer)?.trace ?? (other === undefined ? undefined : traceOf(other));
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

  #denied({ number, texts: [what, code, rule], numbers: [at = 0] }: Fact, run: Known): void {
    const attributes = said([CORRAL.what, what], [GEN_AI.error, code], [CORRAL.rule, rule]);
    this.#send(run, spanOf(run.run, 'denied', number), SPAN.denied, at, { error: code, attributes });
  }

  /** Somebody or something stopped the run. Acts have no number, so the time tells them apart. */
  #acted({ texts: [what], numbers: [at = 0] }: Fact, run: Known): void {
    this.#send(run, spanOf(run.run, what, at), SPAN.acted, at, { error: what, attributes: said([CORRAL.what, what]) });
  }
}
