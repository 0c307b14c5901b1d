/** `corral top`: the live screen of a host, with keys that act on the run under the cursor. */
import { emitKeypressEvents } from 'node:readline';
import { styleText } from 'node:util';
import type { Command } from 'commander';
import { createLogUpdate } from 'log-update';
import type { Client } from '@corral/protocol/api/client';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { connect, hostFlags, type HostFlags } from '../connect.ts';
import { duration, printable, table } from '../screen/table.ts';
import { inTenant } from './agents.ts';
import { runTable } from './runs.ts';

const EVERY_MS = 500;
const KEYS = '↑↓ choose   p pause   r resume   k kill   w why   q quit';
const VERBS: Readonly<Record<string, 'pause' | 'resume' | 'kill'>> = { p: 'pause', r: 'resume', k: 'kill' };

type Summary = RouteAnswer<'listRuns'>['items'][number];
type Totals = RouteAnswer<'totals'>;

export function topCommand(program: Command): void {
  hostFlags(program.command('top'))
    .description('watch the runs of a host; with a terminal, keys act on the one under the cursor')
    .option('--tenant <name>', 'only of this tenant')
    .addHelpText('after', `\nExample:\n  corral top\n\nKeys: ${KEYS}`)
    .action(async (flags: HostFlags & { readonly tenant?: string }) => {
      const client = connect(flags);
      const query = { limit: 200, live: 'true', ...(flags.tenant === undefined ? {} : { tenant: flags.tenant as never }) };
      const look = async (): Promise<Look> => {
        const [page, totals] = await Promise.all([client.listRuns({ query }), client.totals({ query: inTenant(flags) })]);
        return { items: page.items.toSorted((a, b) => b.cpu_ms - a.cpu_ms), head: totalsLines(totals, page.items.length) };
      };
      if (!process.stdout.isTTY || !process.stdin.isTTY || flags.json === true) {
        const { items, head } = await look();
        if (flags.json === true) process.stdout.write(`${JSON.stringify(items, null, 2)}\n`);
        else process.stdout.write(`${[...head, ...runTable(items)].join('\n')}\n`);
        return;
      }
      await new Top(client, look).shown();
    });
}

interface Look {
  readonly items: Summary[];
  /** Totals of all runs, above the list. */
  readonly head: readonly string[];
}

/** All runs by state, a line for each tenant, and how many of them are listed. */
export function totalsLines({ items, cells }: Totals, shown: number): string[] {
  const sum = (name: 'live' | 'queued' | 'active' | 'paused' | 'quarantined' | 'busy' | 'residents') =>
    items.reduce((all, one) => all + one[name], 0);
  const cut = shown < sum('live') ? `, the newest ${shown} shown` : '';
  const rows = items.map((one) => [
    one.tenant,
    `${one.live}/${one.queue_most}`,
    `${one.queued}`,
    `${one.active}`,
    `${one.paused}`,
    `${one.quarantined}`,
    `${one.residents}/${one.residents_most}`,
    `${one.busy}`,
    `${one.cells}/${one.cells_most}`,
    duration(one.replay_cpu_ms),
  ]);
  const titles = ['tenant', 'live', 'queued', 'active', 'paused', 'quarantined', 'in memory', 'busy', 'cells', 'replay'];
  return [
    `${sum('live')} runs${cut}: ${sum('queued')} queued, ${sum('active')} active, ${sum('paused')} paused, ${sum('quarantined')} quarantined; ${sum('busy')} of ${sum('residents')} in memory have something to do; ${cells} cells`,
    ...table(
      titles.map((title, i) => (i === 0 ? { title } : { title, align: 'right' })),
      rows,
    ),
    '',
  ];
}

class Top {
  readonly #client: Client;
  readonly #look: () => Promise<Look>;
  #head: readonly string[] = [];
  readonly #draw = createLogUpdate(process.stdout);
  #items: Summary[] = [];
  #chosen: string | undefined;
  #said: readonly string[] = [];
  #done: () => void = () => undefined;

  constructor(client: Client, look: () => Promise<Look>) {
    this.#client = client;
    this.#look = look;
  }

  async shown(): Promise<void> {
    const { stdin } = process;
    emitKeypressEvents(stdin);
    stdin.setRawMode(true);
    stdin.on('keypress', (_, key: { name?: string; ctrl?: boolean }) => void this.#key(key));
    const ended = new Promise<void>((resolve) => (this.#done = resolve));
    let failure: Error | undefined;
    const timer = setInterval(
      () =>
        void this.#refresh().catch((error: unknown) => {
          failure = error instanceof Error ? error : new Error(String(error));
          this.#done();
        }),
      EVERY_MS,
    );
    try {
      await this.#refresh();
      await ended;
    } finally {
      clearInterval(timer);
      this.#draw.done();
      stdin.setRawMode(false);
      stdin.pause();
    }
    if (failure !== undefined) throw failure;
  }

  async #refresh(): Promise<void> {
    const { items, head } = await this.#look();
    this.#items = items;
    this.#head = head;
    this.#redraw();
  }

  get #at(): number {
    return Math.max(
      0,
      this.#items.findIndex(({ run }) => run === this.#chosen),
    );
  }

  async #key({ name = '', ctrl }: { name?: string; ctrl?: boolean }): Promise<void> {
    if (name === 'q' || name === 'escape' || (ctrl === true && name === 'c')) return this.#done();
    if (name === 'up' || name === 'down') {
      this.#chosen = this.#items[Math.min(this.#items.length - 1, Math.max(0, this.#at + (name === 'up' ? -1 : 1)))]?.run;
      return this.#redraw();
    }
    const run = this.#items[this.#at]?.run;
    const verb = VERBS[name];
    if (run === undefined || (verb === undefined && name !== 'w')) return;
    try {
      if (verb === undefined) {
        const why = await this.#client.whyRun({ params: { run } });
        this.#said = [
          `${run}: ${why.verdict}`,
          ...why.because.map((line) => `  ${printable(line)}`),
          ...why.next.map((line) => `→ ${line}`),
        ];
      } else {
        const { receipts, refused } = await this.#client.operate({ body: { operation: verb, target: { run }, reason: 'from corral top' } });
        this.#said = [
          ...receipts.map((one) => `${one.run}  ${one.operation} in ${one.latency_ms.toFixed(1)} ms`),
          ...refused.map((one) => `${one.run}  ${one.detail}`),
        ];
      }
    } catch (error) {
      this.#said = [error instanceof Error ? error.message : String(error)];
    }
    await this.#refresh().catch(() => undefined);
  }

  #redraw(): void {
    const room = Math.max(3, (process.stdout.rows ?? 40) - 5 - this.#head.length - this.#said.length);
    const from = Math.max(0, this.#at - room + 1);
    const [head = '', ...lines] = runTable(this.#items);
    const rows = lines.slice(from, from + room).map((line, i) => (from + i === this.#at ? styleText('inverse', line) : line));
    this.#draw(
      [
        ...this.#head.map((line, i) => styleText(i === 0 ? 'bold' : 'dim', line)),
        styleText('dim', head),
        ...rows,
        ...this.#said,
        styleText('dim', KEYS),
      ].join('\n'),
    );
  }
}
