/** The screen of `corral top` in a terminal: a list with a cursor, the reasons of one run, and questions before anything is done. */
import { styleText } from 'node:util';
import type { Client } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { fit } from '../screen/entries.ts';
import { FullScreen, type Key } from '../screen/full.ts';
import { stateOf, type Summary } from '../screen/states.ts';
import { printable, wrapWords } from '../screen/table.ts';
import { runTable } from './ps.ts';

export interface Look {
  readonly items: readonly Summary[];
  /** Totals of all runs, above the list. */
  readonly head: readonly string[];
}

export const BY_CPU = (a: Summary, b: Summary): number => b.cpu_ms - a.cpu_ms;

/** How the list is sorted: name, and which of two runs comes first. */
const SORTS: readonly (readonly [string, (a: Summary, b: Summary) => number])[] = [
  ['CPU', BY_CPU],
  ['age, newest first', (a, b) => b.created_at - a.created_at],
  ['age, oldest first', (a, b) => a.created_at - b.created_at],
  ['calls', (a, b) => b.calls - a.calls],
  ['money', (a, b) => b.money_micros - a.money_micros],
  ['agent', (a, b) => a.agent.localeCompare(b.agent)],
  ['state', (a, b) => stateOf(a).localeCompare(stateOf(b))],
];
const VERBS: Readonly<Record<string, 'pause' | 'resume' | 'kill'>> = { p: 'pause', r: 'resume', x: 'kill' };
const KEYS: readonly (readonly [string, string])[] = [
  ['↑ ↓, j k', 'the run above, the run below'],
  ['PgUp PgDn', 'a screen up, a screen down'],
  ['g G', 'the first run, the last run'],
  ['Enter, w', 'say why a run is in its state'],
  ['/', 'only runs with this in their id, agent or principal'],
  ['s S', 'sort by the next column, by the one before'],
  ['p r', 'pause, resume; the reason is asked for'],
  ['x', 'kill a run with its children; asks first, and for the reason'],
  ['Esc', 'back to the list; in the list: all runs again'],
  ['q, Ctrl-C', 'leave'],
];
export const KEY_HELP = KEYS.map(([keys, about]) => `  ${keys.padEnd(10)} ${about}`).join('\n');
const HINT = 'j k choose  Enter why  / filter  s sort  p pause  r resume  x kill  ? help  q quit';
const EVERY_MS = 500;
/** Lines of the screen for what was said: an operation on many children has many, and the list stays in view. */
const MOST_SAID = 8;

type Mode =
  | { readonly kind: 'list' }
  | { readonly kind: 'filter' }
  | { readonly kind: 'text'; readonly lines: readonly string[]; readonly from: number }
  | {
      readonly kind: 'ask';
      readonly verb: 'pause' | 'resume' | 'kill';
      readonly run: RunId;
      readonly lines: readonly string[];
      readonly reason: string;
    };

export class TopScreen {
  readonly #client: Client;
  readonly #look: (filter: string) => Promise<Look>;
  readonly #screen = new FullScreen(
    (key) => void (this.#keys = this.#keys.then(() => this.#key(key))),
    () => this.#redraw(),
  );
  /** Keys wait for each other: one that was typed for a question must not reach the list before the question is there. */
  #keys: Promise<void> = Promise.resolve();
  #items: readonly Summary[] = [];
  #head: readonly string[] = [];
  #chosen: string | undefined;
  #sort = 0;
  #filter = '';
  #said: readonly string[] = [];
  #mode: Mode = { kind: 'list' };
  #done: () => void = () => undefined;

  constructor(client: Client, look: (filter: string) => Promise<Look>) {
    this.#client = client;
    this.#look = look;
  }

  async shown(): Promise<void> {
    // An error here is better shown before the terminal is taken.
    await this.#refresh();
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve, reject) => {
      this.#done = resolve;
      timer = setInterval(() => void this.#refresh().catch(reject), EVERY_MS);
    });
    try {
      const shown = this.#screen.during(over);
      this.#redraw();
      await shown;
    } finally {
      clearInterval(timer);
    }
  }

  async #refresh(): Promise<void> {
    const { items, head } = await this.#look(this.#filter);
    this.#head = head;
    this.#items = items.toSorted(SORTS[this.#sort]?.[1]);
    this.#redraw();
  }

  get #at(): number {
    return Math.max(
      0,
      this.#items.findIndex(({ run }) => run === this.#chosen),
    );
  }

  async #key(key: Key): Promise<void> {
    try {
      if (this.#mode.kind === 'ask') await this.#answer(this.#mode, key);
      else if (this.#mode.kind === 'filter') await this.#filterBy(key);
      else if (this.#mode.kind === 'text') this.#read(this.#mode, key);
      else await this.#choose(key);
    } catch (error) {
      this.#said = [error instanceof Error ? error.message : String(error)];
      this.#mode = { kind: 'list' };
    }
    this.#redraw();
  }

  async #choose({ name, text }: Key): Promise<void> {
    const run = this.#items[this.#at]?.run;
    const page = Math.max(1, this.#screen.rows - this.#head.length - 6);
    const last = this.#items.length - 1;
    const to = moved(name, text, this.#at, page, last);
    if (to !== undefined) this.#chosen = this.#items[Math.max(0, Math.min(last, to))]?.run;
    else if (text === 'q') this.#done();
    else if (text === '?') this.#mode = { kind: 'text', lines: ['Keys:', ...KEY_HELP.split('\n'), '', 'Esc closes this.'], from: 0 };
    else if (text === '/') this.#mode = { kind: 'filter' };
    else if (name === 'escape') await this.#filtered('');
    else if (text === 's' || text === 'S') {
      this.#sort = (this.#sort + (text === 's' ? 1 : SORTS.length - 1)) % SORTS.length;
      this.#items = this.#items.toSorted(SORTS[this.#sort]?.[1]);
    } else if (run !== undefined && (name === 'return' || text === 'w'))
      this.#mode = { kind: 'text', lines: await this.#why(run), from: 0 };
    else if (run !== undefined && VERBS[text] !== undefined) this.#mode = await this.#question(VERBS[text], run);
  }

  #read(mode: Extract<Mode, { kind: 'text' }>, { name, text }: Key): void {
    const page = Math.max(1, this.#screen.rows - 2);
    // Lines of the screen: a text of few lines may have more of them than there is room for.
    const { length } = wrapped(mode.lines, this.#screen.columns);
    const to = moved(name, text, mode.from, page, length - 1);
    if (to !== undefined) this.#mode = { ...mode, from: Math.max(0, Math.min(length - page, to)) };
    else if (['escape', 'return'].includes(name) || 'qw?'.includes(text || ' ')) this.#mode = { kind: 'list' };
  }

  async #filterBy({ name, text }: Key): Promise<void> {
    if (name === 'return') this.#mode = { kind: 'list' };
    else if (name === 'escape') {
      this.#mode = { kind: 'list' };
      await this.#filtered('');
    } else await this.#filtered(name === 'backspace' ? this.#filter.slice(0, -1) : this.#filter + text);
  }

  async #filtered(filter: string): Promise<void> {
    this.#filter = filter.slice(0, 100);
    this.#said = [];
    await this.#refresh();
  }

  async #why(run: RunId): Promise<string[]> {
    const why = await this.#client.whyRun({ params: { run } });
    return [
      `${run}: ${why.verdict}`,
      ...why.because.map((line) => `  ${line}`),
      ...why.next.map((line) => `→ ${line}`),
      '',
      'Esc closes this.',
    ];
  }

  /** Says what would happen, and waits for a reason: one that nobody gave must not be recorded. */
  async #question(verb: 'pause' | 'resume' | 'kill', run: RunId): Promise<Mode> {
    const children = verb === 'kill' ? await this.#descendants(run) : 0;
    const agent = this.#items.find((one) => one.run === run)?.agent ?? '';
    const also = children === 0 ? '' : `, with ${children} ${children === 1 ? 'descendant' : 'descendants'}`;
    const what = `${verb} ${run} (${agent})${also}?`;
    return { kind: 'ask', verb, run, reason: '', lines: [what, 'Type the reason, which is recorded, and Enter. Esc: do nothing.'] };
  }

  async #descendants(run: RunId): Promise<number> {
    type Tree = Awaited<ReturnType<Client['runTree']>>;
    const living = (tree: Tree): number => tree.children.reduce((sum, child) => sum + (child.ended_as === null ? 1 : 0) + living(child), 0);
    return living(await this.#client.runTree({ params: { run } }));
  }

  async #answer(mode: Extract<Mode, { kind: 'ask' }>, { name, text }: Key): Promise<void> {
    if (name === 'escape') {
      this.#mode = { kind: 'list' };
      this.#said = ['nothing was done'];
    } else if (name === 'backspace') this.#mode = { ...mode, reason: mode.reason.slice(0, -1) };
    else if (name !== 'return') this.#mode = { ...mode, reason: mode.reason + text };
    else if (mode.reason.trim() !== '') {
      this.#mode = { kind: 'list' };
      const { receipts, refused } = await this.#client.operate({
        body: { operation: mode.verb, target: { run: mode.run }, reason: mode.reason.trim() },
      });
      this.#said = [
        ...receipts.map((one) => `${one.run}  ${one.operation} in ${one.latency_ms.toFixed(1)} ms`),
        ...refused.map((one) => `${one.run}  ${one.detail}`),
      ];
      await this.#refresh();
    }
  }

  #redraw(): void {
    const { rows, columns } = this.#screen;
    const cut = (line: string) => fit(line, columns);
    if (this.#mode.kind === 'text') {
      const { lines, from } = this.#mode;
      this.#screen.draw(wrapped(lines, columns).slice(from, from + rows));
      return;
    }
    const foot = this.#foot(columns);
    const [sort] = SORTS[this.#sort] ?? [''];
    const about = `by ${sort}${this.#filter === '' ? '' : `, only with “${this.#filter}”`}`;
    const head = [...this.#head.map((line, i) => styleText(i === 0 ? 'bold' : 'dim', cut(line))), styleText('dim', cut(about))];
    const [title = '', ...lines] = runTable(this.#items, { width: columns, steady: true });
    const room = Math.max(1, rows - head.length - foot.length - 1);
    const from = Math.max(0, Math.min(this.#at - Math.floor(room / 2), lines.length - room));
    const list = lines.slice(from, from + room).map((line, i) => (from + i === this.#at ? styleText('inverse', line) : line));
    if (lines.length === 0) list.push(this.#filter === '' ? 'no run is under way' : 'no run matches');
    const gap = Array.from({ length: Math.max(0, room - list.length) }, () => '');
    this.#screen.draw([...head, styleText('dim', title), ...list, ...gap, ...foot]);
  }

  /** Answers are broken between words: a refusal has its reason at its end. */
  #foot(columns: number): readonly string[] {
    const cut = (lines: readonly string[]) => lines.map((line) => fit(line, columns));
    if (this.#mode.kind === 'ask') return cut([...this.#mode.lines, `> ${this.#mode.reason}▏`]);
    if (this.#mode.kind === 'filter') return cut([`/${this.#filter}▏   Enter keeps it, Esc shows all runs`]);
    return [...wrapped(this.#said, columns).slice(0, MOST_SAID), ...cut([HINT])];
  }
}

/** Where a key of movement goes; undefined if it is none. */
function moved(name: string, text: string, at: number, page: number, last: number): number | undefined {
  if (name === 'up' || text === 'k') return at - 1;
  if (name === 'down' || text === 'j') return at + 1;
  if (name === 'pageup') return at - page;
  if (name === 'pagedown' || text === ' ') return at + page;
  if (name === 'home' || text === 'g') return 0;
  return name === 'end' || text === 'G' ? last : undefined;
}

/** Lines broken between words where they are wider than the screen. */
function wrapped(lines: readonly string[], width: number): string[] {
  return lines.flatMap((line) => wrapWords(printable(line), width));
}
