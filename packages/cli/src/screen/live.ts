/**
 * The live screen: a table that is redrawn if there is a terminal, else a line for each change. It shows the supervisor's state;
 * of its own it keeps only the rows of ended runs.
 */
import { styleText } from 'node:util';
import { createLogUpdate } from 'log-update';
import type { Observation, RunView, Supervisor } from '@corral/supervisor';
import { stateOf } from './states.ts';
import { clockTime, printable, table, type Column } from './table.ts';

const COLUMNS: readonly Column[] = [
  { title: 'RUN', max: 20 },
  { title: 'AGENT', max: 26 },
  { title: 'STATE' },
  { title: 'WAITS ON', max: 44 },
  { title: 'CPU', align: 'right' },
  { title: 'MEM', align: 'right' },
  { title: 'CALLS', align: 'right' },
  { title: 'LEFT', align: 'right' },
  { title: '' },
];
const LEGEND =
  'CPU: of one core, right now · LEFT: the share that is left of the amount of its budget that ends first, such as the one call of a reader';
const REDRAW_MS = 100;
const NOTES = 3;
const SAID = { approve: 'approved', deny: 'refused', expired: 'refused because nobody decided in time,' } as const;

export interface EndedRow {
  readonly view: RunView;
  /** Text of the last column: a tick, or the outcome that was expected. */
  readonly mark: string;
  /** The outcome, with what is known of it besides: `paused(deadlock)` of a run that a person killed for it. */
  readonly outcome: string;
  /** Follows the outcome: how long after its limit. */
  readonly note: string;
}

export interface LiveOptions {
  readonly stream: NodeJS.WriteStream;
  readonly supervisor: Supervisor;
  readonly title: string;
  /** The line at the bottom. */
  readonly footer: () => string;
  /** How the end of a run is shown; undefined: not at all. */
  readonly ended: (view: RunView) => Omit<EndedRow, 'view'> | undefined;
}

export class Live {
  readonly #options: LiveOptions;
  readonly #began = performance.now();
  /** By agent, end and mark: runs that ended alike share a row, and the row of the latest end is the last. */
  readonly #ended = new Map<string, { readonly row: EndedRow; readonly count: number }>();
  readonly #cpu = new Map<string, number>();
  readonly #stop: () => void;
  readonly #draw: ReturnType<typeof createLogUpdate> | undefined;
  /** Runs that left memory, as they were last seen. */
  readonly #parked = new Map<string, RunView>();
  /** The latest questions to people and their answers. */
  readonly #notes: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #lastDraw = performance.now();
  #lastFooter = '';

  constructor(options: LiveOptions) {
    this.#options = options;
    const { stream, supervisor } = options;
    if (stream.isTTY) {
      this.#draw = createLogUpdate(stream);
      this.#timer = setInterval(() => this.#redraw(), REDRAW_MS);
    } else {
      this.#line(options.title);
      this.#timer = setInterval(() => this.#progress(), 1000);
    }
    this.#stop = supervisor.observe((observation) => this.#observe(observation));
  }

  /** Leaves the last picture on the screen. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#stop();
    if (this.#draw === undefined) this.#progress();
    else {
      this.#redraw();
      this.#draw.done();
    }
  }

  #observe(observation: Observation): void {
    if (observation.kind === 'parked') this.#parked.set(observation.run, observation.view);
    else if (observation.kind === 'woken' || observation.kind === 'ended') this.#parked.delete(observation.run);
    if (observation.kind === 'ended') {
      const shown = this.#options.ended(observation.view);
      if (shown === undefined) return;
      const row = { view: observation.view, ...shown };
      const key = `${row.view.agent} ${row.outcome} ${row.mark}`;
      const count = (this.#ended.get(key)?.count ?? 0) + 1;
      this.#ended.delete(key);
      this.#ended.set(key, { row, count });
      const { view, outcome, note, mark } = row;
      this.#line(`${view.id}  ${view.agent}  ended  ${outcome}${note === '' ? '' : `  ${note}`}${mark === '' ? '' : `  ${mark}`}`);
    } else if (observation.kind === 'asked') {
      this.#note(`${observation.run}  waits for approval of ${observation.tool}`);
    } else if (observation.kind === 'decided') {
      this.#note(`${observation.run}  call ${observation.call} ${SAID[observation.verdict]} by ${printable(observation.by)}`);
    } else if (observation.kind === 'logged') {
      this.#line(`${observation.run}  ${observation.level}  ${printable(observation.text)}`);
    }
  }

  /** Shows something that has no row in the table: as a line, or among the last few lines under the table. */
  #note(text: string): void {
    this.#line(text);
    this.#notes.push(text);
    if (this.#notes.length > NOTES) this.#notes.shift();
  }

  /** Without a terminal: one line for each change. */
  #line(text: string): void {
    if (this.#draw === undefined) this.#options.stream.write(`${clockTime(performance.now() - this.#began)}  ${text}\n`);
  }

  #progress(): void {
    const footer = this.#options.footer();
    if (footer === '' || footer === this.#lastFooter) return;
    this.#lastFooter = footer;
    this.#line(footer);
  }

  #redraw(): void {
    const { stream, supervisor, title, footer } = this.#options;
    const now = performance.now();
    const since = Math.max(1, now - this.#lastDraw);
    this.#lastDraw = now;
    const running = inFamilies([...supervisor.runs(), ...this.#parked.values()]);
    const most = Math.max(6, (stream.rows ?? 40) - 7 - this.#notes.length);
    const room = Math.max(3, most - this.#ended.size);
    const shown = running.slice(0, room);
    const rows = [
      ...shown.map((view) => this.#row(view, since)),
      ...[...this.#ended.values()].slice(-(most - shown.length)).map((each) => endedRow(each.row, each.count)),
    ];
    if (running.length > shown.length) rows.splice(shown.length, 0, [`… and ${running.length - shown.length} more`]);
    for (const id of this.#cpu.keys()) if (!running.some((view) => view.id === id)) this.#cpu.delete(id);
    // A line that the terminal has to wrap would push the top of the picture out of sight.
    const fit = (line: string) => line.slice(0, Math.max(20, (stream.columns ?? 110) - 2));
    const [head = '', ...lines] = table(COLUMNS, rows).map((line) => fit(line));
    const paint = (style: Parameters<typeof styleText>[0], text: string) => styleText(style, text, { stream });
    const width = Math.min((stream.columns ?? 100) - 1, 110);
    const time = clockTime(now - this.#began);
    this.#draw?.(
      [
        `${paint('bold', ' CORRAL')}  ${fit(title)
          .slice(0, Math.max(0, width - 16))
          .padEnd(width - 16)}${time}`,
        ` ${paint('dim', head)}`,
        ...lines.map((line) => ` ${colour(line, paint)}`),
        ...this.#notes.map((note) => ` ${paint('yellow', fit(note))}`),
        ` ${paint('dim', fit(LEGEND))}`,
        ` ${fit(footer())}`,
      ].join('\n'),
    );
  }

  #row(view: RunView, since: number): string[] {
    const before = this.#cpu.get(view.id) ?? 0;
    this.#cpu.set(view.id, view.cpu_ms);
    const share = view.on_cpu && view.cpu_ms === before ? 100 : Math.min(100, Math.round(((view.cpu_ms - before) / since) * 100));
    const state = stateOf({ ...view, ended_as: null });
    return [
      view.parent === undefined ? view.id : `└ ${view.id}`,
      view.agent,
      state,
      view.waitingFor,
      `${share}%`,
      view.heap_kib === 0 ? '0' : `${Math.max(1, Math.round(view.heap_kib / 1024))} MB`,
      String(view.calls),
      `${Math.round(view.left * 100)}%`,
      '',
    ];
  }
}

function endedRow({ view, outcome, note, mark }: EndedRow, count: number): string[] {
  return [
    count === 1 ? view.id : `×${count}`,
    view.agent,
    'ended',
    note === '' ? outcome : `${outcome} ${note}`,
    '',
    '',
    String(view.calls),
    '',
    mark,
  ];
}

function colour(line: string, paint: (style: Parameters<typeof styleText>[0], text: string) => string): string {
  if (line.endsWith('✓')) return `${line.slice(0, -1)}${paint('green', '✓')}`;
  if (line.includes('✗')) return paint('red', line);
  return line;
}

/** Parents first, each followed by its children. */
function inFamilies(views: readonly RunView[]): RunView[] {
  const children = new Map<string | undefined, RunView[]>();
  const known = new Set(views.map((view) => view.id));
  for (const view of views) {
    const parent = view.parent !== undefined && known.has(view.parent) ? view.parent : undefined;
    children.set(parent, [...(children.get(parent) ?? []), view]);
  }
  const collect = (parent: string | undefined): RunView[] => (children.get(parent) ?? []).flatMap((view) => [view, ...collect(view.id)]);
  return collect(undefined);
}
