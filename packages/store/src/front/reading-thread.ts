/** The thread that reads the front door's tables: one request after the other, on a connection of its own. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { CorralError } from '@corral/protocol/errors';
import type { Answer, Request } from '../thread-calls.ts';
import { FrontDatabase } from './database.ts';
import { Reads } from './reads.ts';

const port = parentPort as MessagePort;

const refusal = (id: number, error: unknown): Answer => ({
  id,
  error: (error instanceof CorralError
    ? error
    : new CorralError('CORRAL_INTERNAL', `front.db could not be read: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
  ).toJSON(),
});

function serve(): void {
  const db = FrontDatabase.reading((workerData as { readonly folder: string }).folder);
  const reads = new Reads(db);
  port.on('message', ({ id, op, args }: Request) => {
    if (op === 'close') {
      db.close();
      port.postMessage([{ id, value: undefined }] satisfies Answer[]);
      port.close();
      return;
    }
    try {
      const value = (reads[op as keyof Reads] as (...wanted: unknown[]) => unknown).apply(reads, [...args]);
      port.postMessage([{ id, value }] satisfies Answer[]);
    } catch (error) {
      port.postMessage([refusal(id, error)]);
    }
  });
  port.postMessage([{ id: 0, value: undefined }] satisfies Answer[]);
}

try {
  serve();
} catch (error) {
  port.postMessage([refusal(0, error)]);
  port.close();
}
