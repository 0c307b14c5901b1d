/** A receiver of webhooks that sometimes fails: for single requests, and at times for all. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const FAILS = 0.03;
const OUT_EVERY_MS = 180_000;
const OUT_MS = 15_000;

export interface Receiver {
  readonly url: string;
  /** Runs whose end was received. */
  readonly ended: ReadonlySet<string>;
  readonly counts: { taken: number; refused: number; again: number };
  /** From now on the receiver accepts everything. */
  readonly recover: () => void;
  readonly close: () => void;
}

export async function receive(): Promise<Receiver> {
  const began = Date.now();
  const ended = new Set<string>();
  const seen = new Set<string>();
  const counts = { taken: 0, refused: 0, again: 0 };
  let well = false;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const out = (Date.now() - began) % OUT_EVERY_MS > OUT_EVERY_MS - OUT_MS;
      if (!well && (out || Math.random() < FAILS)) {
        counts.refused += 1;
        response.writeHead(503).end();
        return;
      }
      const id = String(request.headers['webhook-id']);
      counts[seen.has(id) ? 'again' : 'taken'] += 1;
      seen.add(id);
      const event = JSON.parse(text) as { type?: string; kind?: string; run?: string; data?: { run?: string } };
      const run = event.run ?? event.data?.run;
      if ((event.type ?? event.kind) === 'run.ended' && run !== undefined) ended.add(run);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    ended,
    counts,
    recover: () => (well = true),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
