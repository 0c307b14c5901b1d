/** Why this host should be given no work, and the events and log lines that report changes of that. */
import type { FastifyBaseLogger } from 'fastify';
import type { Event, Unready } from '@corral/protocol/api/schemas';
import type { Stall } from '@corral/supervisor';
import type { Feed } from './stream.ts';
import type { HostPort } from '../ports.ts';

export const DISK_FULL = 'The disk of the data folder is full, or nearly: no new work is taken. What stops runs still works.';

export interface Condition {
  readonly draining: boolean;
  readonly recovering: boolean;
  readonly full: boolean;
  readonly stalls: readonly Stall[];
}

/** Reasons why no work is taken; empty while work is taken. */
export function unready({ draining, recovering, full, stalls }: Condition): Unready[] {
  return [
    ...(draining ? [{ reason: 'draining' as const, detail: 'This host is shutting down and takes no new work.' }] : []),
    ...(recovering ? [{ reason: 'recovering' as const, detail: 'This host has just started and is taking up its runs.' }] : []),
    ...(full ? [{ reason: 'disk_full' as const, detail: DISK_FULL }] : []),
    ...stalls.map((stall) => ({ ...stall, detail: textOf(stall) })),
  ];
}

function textOf(stall: Stall): string {
  const since = new Date(stall.since).toISOString();
  if (stall.reason === 'cells_do_not_start') return `No cell is ready, and none has started since ${since}: see the log of the host.`;
  return `Runs have something to do, and no crank has been completed since ${since}. The longest wait is ${stall.oldest_ms} ms.`;
}

export interface Listeners {
  readonly feed: Feed;
  readonly notify: (event: Event) => void;
  readonly log: FastifyBaseLogger | undefined;
}

/** Reports that the disk has filled up, or has space again. */
export function tellFull(full: boolean, { feed, notify, log }: Listeners): void {
  if (full) log?.error(DISK_FULL);
  told(log, () =>
    notify(feed.tell(full ? 'host.disk_full' : 'host.disk_free', { data: { detail: full ? DISK_FULL : 'There is space again.' } })),
  );
}

/** Reports from now on when the host stops making progress, and when it makes progress again. */
export function tellStalls(host: HostPort, { feed, notify, log }: Listeners): () => void {
  return host.observe((seen) => {
    if (seen.kind === 'hopeless') log?.error({ err: seen.error }, 'cells do not start');
    else if (seen.kind === 'stalled') {
      const { stall } = seen;
      const detail = textOf(stall);
      log?.error({ stall }, detail);
      told(log, () => notify(feed.tell('host.stalled', { data: { ...stall, detail } })));
    } else if (seen.kind === 'moves') {
      const { reason, since } = seen;
      const detail = reason === 'no_progress' ? 'Cranks are completed again, or no run has anything to do.' : 'A cell has started.';
      log?.warn({ reason, since }, detail);
      told(log, () => notify(feed.tell('host.moves', { data: { reason, since, detail } })));
    }
  });
}

/**
 * Reports to followers and webhooks. A notification must be written to disk first, which fails if the disk is full; that is
 * logged only.
 */
function told(log: FastifyBaseLogger | undefined, tell: () => void): void {
  try {
    tell();
  } catch (error) {
    log?.error({ err: error }, 'the state of the host could not be reported by webhook');
  }
}
