/**
 * The story of a run: what it was asked, what it read, did, was refused and spent, and who allowed it, in ten sentences that are made from its
 * journal without a model. Each names the entries and calls that it is made from, so that a reader can look.
 */
import type { STORY_PARTS } from '@corral/protocol/api/schemas';
import type { Withheld } from '@corral/protocol/api/withheld';
import type { Cost } from '@corral/protocol/model/cost';
import type { Pruned } from '@corral/protocol/ports/evidence';
import { decidingIn, type Decision } from '@corral/protocol/model/decision';
import type { Json } from '@corral/protocol/json';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { Entry, RunRecord, RunStatus } from '@corral/protocol/model/run';
import type { Result } from '@corral/protocol/wire/delivery';
import { actedBy, asksOf, mayChange, type Read } from './acted.ts';
import { deliveryOf, effectsOf } from './calls.ts';
import type { Pages } from './pages.ts';
import { breathe } from './serial-queue.ts';

export interface StoryLine {
  readonly about: (typeof STORY_PARTS)[number];
  readonly text: string;
  /** Entries of the journal that it is made from, the first ones. */
  readonly entries: number[];
  /** Calls that it is made from, the first ones. */
  readonly calls: number[];
}

type Spent = Required<Cost> & { readonly cpu_ms: number; readonly calls: number };
export interface StoryFacts {
  readonly record: Pick<RunRecord, 'agent' | 'version' | 'principal' | 'submitter' | 'parent' | 'created_at' | 'service' | 'origin'>;
  readonly status: Pick<RunStatus, 'control' | 'waiting' | 'outcome' | 'ended_at'>;
  /** Absent if the reader may not see payloads. */
  readonly input?: Json | undefined;
  /** Set if its label withholds the input from the reader. */
  readonly unread?: Withheld | undefined;
  /** Absent: what its journal says that it used itself. */
  readonly spent?: Spent;
  /** The name of what it waits for; empty if it waits for nothing. */
  readonly waiting_for: string;
  /** Set if the beginning of its journal was pruned. */
  readonly pruned?: PrunedFacts | undefined;
}
export interface PrunedFacts extends Pruned {
  readonly by: string | null;
  readonly retention_ms: number | null;
}

/** Names, links and reasons that a sentence has at most. */
const NAMED = 5;
const LINKS = 20;
const INPUT_CHARS = 200;
const REASON_CHARS = 200;
/** Names that one sentence counts apart. */
const COUNTED = 1_000;
/** Text of entries that is parsed in one turn of the event loop. */
const AT_ONCE_CHARS = 256 * 1024;

/** Things of one kind, counted by name. */
class Tally {
  readonly #counts = new Map<string, number>();
  readonly entries: number[] = [];
  readonly calls: number[] = [];
  total = 0;

  add(name: string, entry: number, call?: number): void {
    // An agent chooses some names itself.
    const counted = this.#counts.has(name) || this.#counts.size < COUNTED ? name : 'further names';
    this.#counts.set(counted, (this.#counts.get(counted) ?? 0) + 1);
    this.total += 1;
    if (this.entries.length < LINKS && this.entries.at(-1) !== entry) this.entries.push(entry);
    if (call !== undefined && this.calls.length < LINKS) this.calls.push(call);
  }

  /** `mail.read (3), web.get (1) and 2 others`, the most frequent first. */
  get text(): string {
    const sorted = [...this.#counts].toSorted(([, a], [, b]) => b - a);
    const named = sorted.slice(0, NAMED).map(([name, count]) => `${name} (${count})`);
    const rest = sorted.length - named.length;
    return `${named.join(', ')}${rest === 0 ? '' : ` and ${rest} ${rest === 1 ? 'other' : 'others'}`}`;
  }
}

/** Sentences about acts of people and of the host: the first ones, and how many more there are. */
class Acts {
  readonly #texts: string[] = [];
  readonly entries: number[] = [];
  readonly calls: number[] = [];
  #more = 0;

  add(text: string, entry: number, call?: number): void {
    if (this.#texts.length >= NAMED) this.#more += 1;
    else this.#texts.push(text);
    if (this.entries.length < LINKS) this.entries.push(entry);
    if (call !== undefined && this.calls.length < LINKS) this.calls.push(call);
  }

  textOr(none: string): string {
    if (this.#texts.length === 0) return none;
    const more = this.#more === 0 ? '' : ` ${this.#more} more of that kind are in its journal.`;
    return `${this.#texts.map((text) => `${text}.`).join(' ')}${more}`;
  }
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);
const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
const cut = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most)}…`);
const because = (reason: string): string => (reason === '' ? '' : `, because: ${cut(reason, REASON_CHARS)}`);
const on = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** A call without an answer, or whose answer is lost. `asks`: people who must still approve it; infinite while inspectors look at it. */
interface Open {
  readonly tool: string;
  readonly changes: boolean;
  readonly strange: boolean;
  readonly seq: number;
  asks: number;
  stopped: boolean;
  /** Counted among the lost results already. */
  lost: boolean;
}
/** Where a call is when its result comes: its agent gets it, will get it, or gets an error instead. */
type Where = 'given' | 'arrived' | 'withheld';

class Teller {
  readonly read = new Tally();
  readonly strangers = new Tally();
  readonly did = new Tally();
  readonly failed = new Tally();
  readonly unknown = new Tally();
  /** Calls that were carried out, and whose agent was not given the answer. */
  readonly withheld = new Tally();
  /** Calls that may have been carried out, of those that nobody is asked about. */
  readonly maybe = new Tally();
  readonly children = new Tally();
  readonly sent = new Tally();
  readonly received = new Tally();
  readonly refused = new Tally();
  /** Calls that people denied, or that nobody approved in time. */
  readonly denied = new Tally();
  readonly rules = new Set<string>();
  readonly people = new Acts();
  readonly stopped = new Acts();
  /** Calls without an answer, and those whose answer is lost. */
  readonly #open = new Map<number, Open>();
  readonly spent = { cpu_ms: 0, calls: 0, tokens: 0, money_micros: 0 } satisfies Spent;
  last = 0;

  take(entry: Read): void {
    if (entry.arrived !== undefined) {
      for (const result of entry.arrived) this.#answered(result, this.last, 'arrived');
      return;
    }
    this.last = entry.seq;
    this.spent.cpu_ms += entry.cpu_us / 1_000;
    this.#answers(entry);
    for (const decision of entry.decisions) this.#decided(decision, entry.seq);
    // A message that was refused was not sent.
    const refused = new Set(entry.decisions.filter(({ verdict }) => verdict === 'deny').map(({ id }) => id));
    const effects = effectsOf(entry);
    for (const effect of effects) {
      if (effect.kind === 'send' && !('id' in effect && refused.has(effect.id))) this.sent.add('', entry.seq);
      const aborted = effect.kind === 'abort' ? this.#open.get(effect.id) : undefined;
      if (aborted !== undefined) aborted.stopped = true;
    }
    this.#event(entry);
    if (entry.event?.kind === 'ended' || effects.some(({ kind }) => kind === 'finish')) this.#ended(entry.seq);
  }

  /** Calls under way are aborted, and nobody hears of their results. Those of the last crank never leave. */
  #ended(end: number): void {
    for (const [id, { tool, changes, seq, asks, lost }] of this.#open)
      if (changes && seq !== end && asks === 0 && !lost) this.maybe.add(tool, end, id);
  }

  #answers(entry: Entry): void {
    const delivery = deliveryOf(entry);
    if (delivery?.kind === 'message') this.received.add(delivery.from.agent, entry.seq);
    if (delivery?.kind !== 'reply') return;
    for (const result of delivery.results) this.#answered(result, entry.seq, 'given');
  }

  #answered(result: Result, seq: number, where: Where): void {
    const call = this.#open.get(result.id);
    if (call === undefined) return;
    this.#open.delete(result.id);
    this.spent.calls += 1;
    this.spent.tokens += result.cost?.tokens ?? 0;
    this.spent.money_micros += result.cost?.money_micros ?? 0;
    const { tool: name, changes } = call;
    const acted = actedBy(result, { asked: call.asks > 0, stopped: call.stopped || where === 'withheld' });
    if (acted === 'yes') (changes ? this.did : this.read).add(name, seq, result.id);
    if (acted === 'yes' && (where !== 'given' || 'error' in result)) this.withheld.add(name, seq, result.id);
    if ('error' in result) {
      const { code } = result.error;
      if (acted === 'unknown' && changes) {
        if (!call.lost) this.maybe.add(`${name} ${code}`, seq, result.id);
      } else if (acted !== 'yes' && code !== 'CORRAL_APPROVAL_DENIED' && code !== 'CORRAL_APPROVAL_EXPIRED')
        this.failed.add(`${name} ${code}`, seq, result.id);
    } else if (where === 'given' && call.strange) this.strangers.add(name, seq, result.id);
  }

  #decided(decision: Decision, seq: number): void {
    const { id, verdict, tool, agent, action, code = 'CORRAL_DENIED' } = decision;
    if (verdict === 'deny') {
      const name = tool ?? agent ?? action ?? 'a capability that it does not have';
      this.refused.add(`${name}: ${code}`, seq, id > 0 ? id : undefined);
      for (const rule of decidingIn(decision)) if (this.rules.size < NAMED) this.rules.add(rule);
      this.#open.delete(id);
    } else if (action === 'spawn') this.children.add(agent ?? 'a program', seq, id);
    else if (tool !== undefined) {
      const strange = decision.tool_facts?.returns === 'untrusted';
      this.#open.set(id, { tool, changes: mayChange(decision), strange, seq, asks: asksOf(decision), stopped: false, lost: false });
    }
  }

  #event({ event, seq }: Entry): void {
    switch (event?.kind) {
      case 'inspected':
        this.#decided(event.decision, seq);
        return;
      case 'input_required': {
        const call = this.#open.get(event.id);
        if (call !== undefined) call.asks = 1;
        return;
      }
      case 'approval': {
        const call = this.#open.get(event.id);
        const what = `call ${event.id} to ${call?.tool ?? 'a tool'}`;
        if (call !== undefined && (event.verdict === 'approve' || event.goes_on === true))
          call.asks = event.answer === undefined ? call.asks - 1 : 0;
        if (event.verdict !== 'approve' && event.goes_on !== true) {
          const who = event.verdict === 'expired' ? 'nobody approved it in time' : `denied by ${event.by}`;
          this.denied.add(`${call?.tool ?? 'a tool'}: ${who}`, seq, event.id);
        }
        const no = event.goes_on === true ? 'gave no answer to' : 'denied';
        const verb = event.answer !== undefined ? 'answered' : event.verdict === 'approve' ? 'approved' : no;
        if (event.verdict === 'expired') this.people.add(`Nobody decided about ${what} in time`, seq, event.id);
        else this.people.add(`${event.by} ${verb} ${what}${because(event.reason)}`, seq, event.id);
        return;
      }
      case 'unknown': {
        const call = this.#open.get(event.id);
        if (call !== undefined) call.lost = true;
        this.unknown.add(call?.tool ?? 'a tool', seq, event.id);
        return;
      }
      case 'fenced':
        this.#answered(event.result, seq, 'withheld');
        return;
      case 'unanswered': {
        // It never left: nobody had decided about it.
        const call = this.#open.get(event.id);
        if (call !== undefined) call.asks = Number.POSITIVE_INFINITY;
        return;
      }
      case 'resolved':
        this.people.add(`${event.by} settled call ${event.id}, whose result was unknown${because(event.reason ?? '')}`, seq, event.id);
        return;
      case 'control':
        this.stopped.add(`${event.by} ${event.control === 'none' ? 'resumed' : event.control} it${because(event.reason)}`, seq);
        return;
      case 'cancel':
        this.stopped.add(`${event.by} told it to stop${because(event.reason)}`, seq);
        return;
      case 'step':
        if (event.stays === undefined && event.step !== 'observe')
          this.stopped.add(
            `The detector ${event.because[0]?.detector ?? 'of loops'} took it to the step “${event.step}”${because(event.because[0]?.text ?? '')}`,
            seq,
          );
        return;
      case 'held':
        this.stopped.add(`It was held${because(event.detail)}`, seq);
        return;
      case 'released':
        this.people.add(`${event.by} let it go on${because(event.reason)}`, seq);
        return;
      default:
    }
  }
}

const NONE = { entries: [], calls: [] };

/** The order that it was given, and by whom. */
function askedLine({ record, input, unread }: StoryFacts): StoryLine {
  const { agent, version, parent, service, origin, created_at } = record;
  const by =
    parent === undefined ? `${record.submitter ?? record.principal} submitted it` : `The run ${parent.run} of ${parent.agent} started it`;
  const of = service === undefined ? '' : ` for the key ${service.key}`;
  const fork = origin === undefined ? '' : ` It is a fork of ${origin.run}.`;
  const hidden = unread === undefined ? ' Its input is not shown to your role.' : ` Its input is withheld. ${unread.why} ${unread.ask}`;
  const with_ = input === undefined ? hidden : ` Its input: ${cut(JSON.stringify(input), INPUT_CHARS)}.`;
  return {
    about: 'asked',
    text: `${by} on ${on(created_at)}, to the agent ${agent} (${version.slice(0, 19)})${of}.${fork}${with_}`,
    ...NONE,
  };
}

/** The line about a part of the journal that is not there any more. */
function prunedLine({ entries, at, by, retention_ms }: PrunedFacts): StoryLine {
  const when = at === undefined ? 'Since its last checkpoint' : `On ${on(at)}`;
  const who = by === null || by === 'host' ? '' : ` for ${by}`;
  const rule = retention_ms === null ? '' : ` Its tenant kept journals for ${durationText(retention_ms)} after the end of a run.`;
  const rest =
    at === undefined ? ' What follows is made from the entries after them.' : ' What it read, did and was refused is not known any more.';
  const text = `${when} the contents of its first ${many(entries, 'entry').replace('entrys', 'entries')} were deleted${who} (CORRAL_JOURNAL_PRUNED).${rule}${rest}`;
  return { about: 'pruned', text, ...NONE };
}

const spentLine = ({ cpu_ms, calls, tokens, money_micros }: Spent): StoryLine => ({
  about: 'spent',
  text: `It used ${Math.round(cpu_ms)} ms of CPU time, ${many(calls, 'call')}, ${many(tokens, 'token')} and ${(money_micros / 1e6).toFixed(2)} of money.`,
  ...NONE,
});

const line = (about: StoryLine['about'], text: string, ...from: readonly (Tally | Acts)[]): StoryLine => ({
  about,
  text,
  entries: from.flatMap(({ entries }) => entries).slice(0, LINKS),
  calls: from.flatMap(({ calls }) => calls).slice(0, LINKS),
});

/** The line about refusals by policies and grants, and about calls that people did not approve. */
function refusedLine({ refused, denied, rules }: Teller): StoryLine {
  const by = rules.size === 0 ? '' : ` The rules: ${[...rules].join(', ')}.`;
  const said = [
    ...(refused.total === 0 ? [] : [`It was refused something ${times(refused.total)}: ${refused.text}.${by}`]),
    ...(denied.total === 0 ? [] : [`People did not approve ${many(denied.total, 'call')}: ${denied.text}.`]),
  ];
  return line('refused', said.length === 0 ? 'It was refused nothing.' : said.join(' '), refused, denied);
}

function endLine({ record, status, waiting_for }: StoryFacts, last: number): StoryLine {
  const { outcome, ended_at, control } = status;
  const entries = last === 0 ? [] : [last];
  if (outcome !== undefined) {
    const took = ended_at === undefined ? '' : ` on ${on(ended_at)}, ${durationText(ended_at - record.created_at)} after it was submitted`;
    return { about: 'ended', text: `It ended as ${outcomeText(outcome)}${took}.`, entries, calls: [] };
  }
  const state = control === 'none' ? (waiting_for === '' ? 'It has not ended' : `It waits for ${waiting_for}`) : `It is ${control}`;
  return { about: 'ended', text: `${state}.`, entries, calls: [] };
}

const SECOND_MS = 1_000;
const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

function durationText(ms: number): string {
  const [unit, size] = UNITS.find(([, least]) => ms >= 2 * least) ?? ['second', SECOND_MS];
  return many(unit === 'second' ? Math.round(ms / 100) / 10 : Math.round(ms / size), unit);
}

/** @param pages the whole journal, as far as it is kept */
export async function storyOf(facts: StoryFacts, pages: Pages): Promise<StoryLine[]> {
  const { pruned } = facts;
  const gone = pruned === undefined ? [] : [prunedLine(pruned)];
  if (pruned?.at !== undefined)
    return [askedLine(facts), ...gone, ...(facts.spent === undefined ? [] : [spentLine(facts.spent)]), endLine(facts, 0)];
  const told = new Teller();
  let chars = 0;
  for await (const page of pages)
    for (const entry of page) {
      chars += (entry.delivery?.length ?? 0) + (entry.effects?.length ?? 0);
      if (chars > AT_ONCE_CHARS) {
        await breathe();
        chars = 0;
      }
      told.take(entry);
    }
  const { read, strangers, did, failed, unknown, withheld, maybe, children, sent, received, people, stopped, last } = told;
  const lost = unknown.total === 0 ? '' : ` The result of ${many(unknown.total, 'call')} was lost: ${unknown.text}.`;
  const untold = withheld.total === 0 ? '' : ` The answer of ${many(withheld.total, 'call')} was not given to it: ${withheld.text}.`;
  const doubt = maybe.total === 0 ? '' : ` ${many(maybe.total, 'call')} may have done so too: ${maybe.text}.`;
  const failures = failed.total === 0 ? '' : ` ${many(failed.total, 'call')} failed: ${failed.text}.`;
  const messages = [
    sent.total === 0 ? 'no message' : many(sent.total, 'message'),
    received.total === 0 ? 'none' : `${received.total}, from ${received.text}`,
  ];
  return [
    askedLine(facts),
    ...gone,
    line(
      'read',
      read.total === 0
        ? `It read nothing by a tool.${failures}`
        : `It asked tools that change nothing ${times(read.total)}: ${read.text}.${failures}`,
      read,
      failed,
    ),
    line(
      'strangers',
      strangers.total === 0
        ? 'No tool gave it text that a stranger may have written.'
        : `Text that strangers may have written came to it by ${strangers.text}.`,
      strangers,
    ),
    line(
      'did',
      `${did.total === 0 ? 'It changed nothing by a tool.' : `It had tools change something ${times(did.total)}: ${did.text}.`}${untold}${doubt}${lost}`,
      did,
      withheld,
      maybe,
      unknown,
    ),
    line(
      'others',
      `It started ${children.total === 0 ? 'no run' : `${many(children.total, 'run')}: ${children.text}`}. It sent ${messages[0]} to other runs and received ${messages[1]}.`,
      children,
      sent,
      received,
    ),
    refusedLine(told),
    line('people', people.textOr('No person had to decide about it.'), people),
    line('stopped', stopped.textOr('Nobody stopped it, and no detector stepped in.'), stopped),
    spentLine(facts.spent ?? told.spent),
    endLine(facts, last),
  ];
}
