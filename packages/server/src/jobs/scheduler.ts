/**
 * Submits jobs by cron expressions (UTC). Each time has an idempotency key of its own, so that a crash between submitting and
 * recording never makes two runs. All times that passed while the host was down are made up for with one run.
 */
import { Cron } from 'croner';
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import type { TenantId } from '@corral/protocol/ids';
import type { Clock, Random } from '@corral/protocol/ports/machine';
import type { FrontStore, ScheduleRow } from '@corral/protocol/ports/front';
import type { Submissions } from './submissions.ts';

/** The scheduler looks at least this often, in case the machine's clock was set. */
const LOOK_MS = 30_000;
const BUSY_RETRY_MS = 5_000;

export class Scheduler {
  readonly #db: FrontStore;
  readonly #submissions: Submissions;
  readonly #clock: Clock;
  readonly #random: Random;
  #stop: (() => void) | undefined;
  #closed = false;
  /**
   * Schedules whose job could not be submitted yet, and when that is tried again. Their time stays the original one, because the
   * idempotency key is made from it.
   */
  readonly #later = new Map<string, number>();

  constructor(db: FrontStore, submissions: Submissions, clock: Clock, random: Random) {
    this.#db = db;
    this.#submissions = submissions;
    this.#clock = clock;
    this.#random = random;
  }

  start(): void {
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#stop?.();
  }

  /** The next time of a schedule. @throws CORRAL_SCHEDULE_INVALID */
  nextOf(cron: string): number {
    const next = nextOf(cron, this.#clock.now());
    if (next === null) throw new CorralError('CORRAL_SCHEDULE_INVALID', `\`${cron}\` never comes: none of its months has such a day.`);
    return next;
  }

  /** @throws CORRAL_SCHEDULE_INVALID */
  make(wanted: { readonly tenant: TenantId; readonly agent: string; readonly input: Json; readonly cron: string }, by: string) {
    const next = this.nextOf(wanted.cron);
    const id = `schedule_${Buffer.from(this.#random(6)).toString('hex')}`;
    this.#db.durably(() => this.#db.schedules.add({ id, ...wanted, created_by: by, next_at: next }));
    this.#wake();
    return this.show(id);
  }

  /** @throws CORRAL_SCHEDULE_UNKNOWN */
  show(id: string) {
    const row = this.#db.schedules.get(id);
    if (row === undefined) throw new CorralError('CORRAL_SCHEDULE_UNKNOWN', `There is no schedule ${id} here.`);
    return view(row);
  }

  list(tenant: string | undefined) {
    return this.#db.schedules.list(tenant).map((row) => view(row));
  }

  remove(id: string) {
    const removed = this.show(id);
    this.#db.durably(() => {
      this.#db.schedules.remove(id);
      this.#db.setMeta(makerOf(id), removed.created_by);
    });
    return removed;
  }

  #wake(): void {
    this.#stop?.();
    if (this.#closed) return;
    const now = this.#clock.now();
    for (const [id, at] of this.#later) if (at <= now) this.#later.delete(id);
    const next = this.#db.schedules.nextAt([...this.#later.keys()]);
    const at = Math.min(next ?? Infinity, ...this.#later.values(), now + LOOK_MS);
    this.#stop = this.#clock.after(Math.max(0, at - now), () => void this.#work());
  }

  async #work(): Promise<void> {
    const now = this.#clock.now();
    for (const row of this.#db.schedules.due(now)) {
      if (this.#closed) return;
      if ((this.#later.get(row.id) ?? 0) > now) continue;
      await this.#fire(row, row.next_at as number);
    }
    this.#wake();
  }

  async #fire(row: ScheduleRow, due: number): Promise<void> {
    const { id, tenant, agent, input, cron } = row;
    let run: string | null = null;
    let failure: string | null = null;
    try {
      const job = { tenant: tenant as TenantId, agent, input };
      ({ run } = await this.#submissions.submit(job, `schedule:${id}`, String(due)));
    } catch (error) {
      failure = error instanceof CorralError ? `${error.code}: ${error.message}` : 'CORRAL_INTERNAL';
      if (error instanceof CorralError && error.retryable && !this.#closed) {
        this.#db.schedules.failed(id, failure);
        // Other schedules run meanwhile.
        this.#later.set(id, this.#clock.now() + BUSY_RETRY_MS);
        return;
      }
    }
    if (this.#closed) return;
    this.#db.schedules.fired(id, { next_at: nextOf(cron, this.#clock.now()), at: due, run, error: failure });
  }
}

/** Where the maker of a deleted schedule is kept: that person still answers for its runs and for what these wrote to services. */
export const makerOf = (schedule: string): string => `maker of ${schedule}`;

const FIELDS = [
  'minute (0 to 59)',
  'hour (0 to 23)',
  'day of the month (1 to 31)',
  'month (1 to 12, or JAN to DEC)',
  'day of the week (0 to 7, or SUN to SAT)',
];

/** The first time after `now`; null if there is none. @throws CORRAL_SCHEDULE_INVALID */
function nextOf(expression: string, now: number): number | null {
  const fields = expression.trim().split(/\s+/);
  if (fields.length !== FIELDS.length)
    throw new CorralError(
      'CORRAL_SCHEDULE_INVALID',
      `\`${expression}\` does not have five fields: minute, hour, day of the month, month, day of the week.`,
    );
  try {
    return cron(fields).nextRun(new Date(now))?.getTime() ?? null;
  } catch (error) {
    // Tests each field by itself: the library counts months and days from zero and does not say which field is wrong.
    const wrong = fields.findIndex((field, i) => !isCron(FIELDS.map((_, at) => (at === i ? field : '*'))));
    const why =
      wrong === -1 ? (error instanceof Error ? error.message : '') : `\`${fields[wrong]}\` does not fit the field ${FIELDS[wrong]}`;
    throw new CorralError('CORRAL_SCHEDULE_INVALID', `\`${expression}\` is not a cron expression: ${why}.`);
  }
}

const cron = (fields: readonly string[]) => new Cron(fields.join(' '), { timezone: 'UTC', paused: true });

function isCron(fields: readonly string[]): boolean {
  try {
    cron(fields);
    return true;
  } catch {
    return false;
  }
}

const view = ({ id, ...row }: ScheduleRow) => ({ schedule: id, ...row, tenant: row.tenant as TenantId });
