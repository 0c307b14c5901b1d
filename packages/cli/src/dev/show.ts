/** The lines of `corral dev`: the effects of a run and of all that descend from it, as their journals have them. */
import type { Delivery } from '@corral/protocol/wire/delivery';
import { decisionOn, type Effect } from '@corral/protocol/wire/effect';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Entry } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import type { Supervisor } from '@corral/supervisor';
import { printableJson } from '@corral/protocol/printable';
import { programText, verdictText } from '../screen/entries.ts';
import { Spoken } from '../screen/spoken.ts';
import { duration, printable } from '../screen/table.ts';

interface Followed {
  /** Named before each line; empty for the run that was started. */
  readonly agent: string;
  seen: number;
}

const CHARS = 200;

/** Follows a run, and each run that it or one of its descendants starts. */
export class Follower {
  readonly #store: Store;
  readonly #json: boolean;
  readonly #runs = new Map<RunId, Followed>();
  readonly #stop: () => void;
  /** Errors that were told: the same one is told again as a reply, and when the agent lets it pass. */
  readonly #told = new Set<string>();
  readonly #spoken = new Spoken((text) => process.stderr.write(text), cut);
  #first: number | undefined;
  #looking: Promise<void> = Promise.resolve();

  /** @param also tells whether a run that has no ancestor here belongs to it as well, as an instance of a service does */
  constructor(host: { readonly supervisor: Supervisor; readonly store: Store }, json: boolean, also: (agent: string) => boolean) {
    this.#store = host.store;
    this.#json = json;
    this.#stop = host.supervisor.observe((observation) => {
      // An instance of a service is in memory only once it has begun.
      if (observation.kind !== 'admitted' && observation.kind !== 'began' && observation.kind !== 'woken') return;
      const view = host.supervisor.view(observation.run);
      if (view === undefined || this.#runs.has(view.id)) return;
      const isChild = view.parent !== undefined && this.#runs.has(view.parent);
      if (isChild || (view.parent === undefined && also(view.agent))) this.#runs.set(view.id, { agent: view.agent, seen: 0 });
    });
  }

  follow(run: RunId): void {
    this.#runs.set(run, { agent: '', seen: 0 });
  }

  /** Shows what the journals have since the last look. Two looks never overlap, since both would show the same. */
  look(): Promise<void> {
    const looked = this.#looking.then(() => this.#look());
    this.#looking = looked.catch(() => undefined);
    return looked;
  }

  async #look(): Promise<void> {
    const found: { readonly id: RunId; readonly followed: Followed; readonly entry: Entry }[] = [];
    // Descendants first: their effects are in their journals before their ancestor learns of them.
    for (const [id, followed] of [...this.#runs].toReversed())
      for (const entry of await this.#store.journal(id, followed.seen)) {
        followed.seen = entry.seq;
        found.push({ id, followed, entry });
      }
    found.sort((a, b) => a.entry.at - b.entry.at);
    for (const { id, followed, entry } of found) {
      this.#first ??= entry.at;
      this.#show(id, followed, entry, entry.at - this.#first);
    }
  }

  close(): void {
    this.#spoken.pause();
    this.#stop();
  }

  #show(run: RunId, { agent }: Followed, entry: Entry, at: number): void {
    const delivery = entry.delivery === undefined ? undefined : (JSON.parse(entry.delivery) as Delivery);
    if (this.#json) {
      const effects = JSON.parse(entry.effects ?? '[]') as Json;
      const { seq } = entry;
      const chunk = delivery?.kind === 'chunk' ? { chunk: { call: delivery.id, offset: delivery.offset, parts: delivery.parts } } : {};
      process.stdout.write(`${printableJson({ run, ...(agent === '' ? {} : { agent }), seq, at: entry.at, ...chunk, effects })}\n`);
      return;
    }
    const whose = agent === '' ? '' : `${agent} │ `;
    const head = `  ${duration(at).padStart(8)}  ${whose}`;
    const say = (text: string) => this.#spoken.line(`${head}${cut(printable(text))}`);
    const once: Once = (message) => {
      if (this.#told.has(message)) return 'as above';
      this.#told.add(message);
      return message;
    };
    if (delivery?.kind === 'chunk') this.#spoken.parts(head, run, delivery.id, delivery.parts);
    else if (delivery !== undefined) for (const text of deliveryTexts(delivery, once)) say(text);
    for (const effect of entry.effects === undefined ? [] : (JSON.parse(entry.effects) as Effect[]))
      // A line for each chunk that is asked for would cut up the text of the stream.
      if (effect.kind !== 'pull') say(effectText(effect, entry, once));
    const { event } = entry;
    if (event?.kind === 'step') say(`${event.step}: ${event.because.map(({ detector }) => detector).join(', ')}`);
    else if (event?.kind === 'control') say(`${event.control === 'none' ? 'resumed' : event.control} by ${event.by}: ${event.reason}`);
    else if (event?.kind === 'inspected')
      say(
        `call ${event.id} inspected: ${event.decision.verdict}${event.decision.message === undefined ? '' : ` ${event.decision.message}`}`,
      );
    else if (event?.kind === 'input_required') say(`${event.tool} needs input to go on with call ${event.id}: ${event.request.question}`);
    else if (event?.kind === 'approval') say(verdictText(event));
    // The end of the run itself is said by the command.
    if (event?.kind === 'ended' && agent !== '') say(endText(event.outcome));
  }
}

/** An error the first time it is told, a reference to it later. */
type Once = (message: string) => string;

const cut = (text: string): string => (text.length > CHARS ? `${text.slice(0, CHARS)}… (${text.length} characters)` : text);

const endText = (outcome: Outcome): string => `${outcomeText(outcome)}${'message' in outcome ? `: ${outcome.message}` : ''}`;

function deliveryTexts(delivery: Delivery, once: Once): string[] {
  switch (delivery.kind) {
    case 'start':
      return [];
    case 'reply':
      return delivery.results.map((result) =>
        'error' in result
          ? `← ${result.id}  ${result.error.code}: ${once(result.error.message)}`
          : `← ${result.id}  ${result.handle === undefined ? '' : 'unread: '}${JSON.stringify(result.value)}`,
      );
    case 'child_ended':
      return [`← ${delivery.id}  child ${endText(delivery.outcome)}`];
    case 'message':
      return [`← message from ${delivery.from.agent}  ${JSON.stringify(delivery.body)}`];
    case 'notice':
      return [`← notice (${delivery.detector}): ${delivery.text}`];
    case 'cancel':
      return [`← cancel: ${delivery.reason}`];
    default:
      return [`← ${delivery.kind}`];
  }
}

function effectText(effect: Effect, { decisions }: Entry, once: Once): string {
  const decision = decisionOn(effect, new Map(decisions.map((each) => [each.id, each])));
  const denied =
    decision?.verdict === 'deny'
      ? `  denied: ${decision.code ?? ''} ${once(decision.message ?? '')}`
      : decision?.verdict === 'ask'
        ? `  waits for a person (${(decision.rules ?? []).join(', ')})`
        : decision?.verdict === 'inspect'
          ? `  waits for inspectors (${(decision.asks ?? []).join(', ')})`
          : '';
  switch (effect.kind) {
    case 'call':
      return `→ ${effect.id}  ${decision?.tool ?? `capability ${effect.cap}`} ${JSON.stringify(effect.input)}${denied}`;
    case 'send':
      return `→ ${effect.id}  send ${JSON.stringify(effect.body)}${denied}`;
    case 'reply':
      return `reply to ${effect.to}  ${effect.error === undefined ? JSON.stringify(effect.value ?? null) : `error: ${effect.error.message}`}`;
    case 'spawn':
      return `→ ${effect.id}  spawn ${effect.agent}${programText(effect)} ${JSON.stringify(effect.input)}${denied}`;
    case 'timer':
      return `→ ${effect.id}  sleep ${duration(effect.ms)}`;
    case 'log':
      return `log ${effect.level}  ${effect.text}`;
    case 'emit':
      return `emit ${effect.event}  ${JSON.stringify(effect.data ?? null)}`;
    case 'finish':
      return effect.error === undefined ? 'finish' : `finish with an error: ${once(effect.error.message)}`;
    case 'abort':
      return `abandon ${effect.id}`;
    case 'pull':
      return '';
    case 'open':
      return `→ ${effect.id}  open handle ${effect.handle}${denied}`;
    case 'drop':
      return `drop handle ${effect.handle}`;
    case 'dispose':
      return `drop capability ${effect.cap}`;
    case 'checkpoint':
      return 'checkpoint';
    case 'listen':
      return effect.on ? 'listen for messages' : 'listen no more';
  }
}
