/** Floors: the raw operations on which Corral is built, without Corral. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import ivm from 'isolated-vm';

/** Milliseconds to create an isolate with a context and to evaluate one expression in it. */
export function rawColdStarts(n: number): number[] {
  return Array.from({ length: n }, () => {
    const began = performance.now();
    const isolate = new ivm.Isolate({ memoryLimit: 64 });
    isolate.createContextSync().evalSync('1 + 1');
    const took = performance.now() - began;
    isolate.dispose();
    return took;
  });
}

/** Isolates per second, one after the other. */
export function rawIsolatesPerSecond(n: number): number {
  const began = performance.now();
  rawColdStarts(n);
  return (n * 1000) / (performance.now() - began);
}

const HEADER = 28;
const CELL = fileURLToPath(new URL('./cell.mjs', import.meta.url));

/** A process that answers each frame with a bare crank. */
export class BareCell {
  readonly #child: ChildProcess;
  readonly #socket: Duplex;
  #answered: ((text: string) => void) | undefined;
  #held: Buffer = Buffer.alloc(0);

  constructor() {
    this.#child = spawn(process.execPath, ['--no-node-snapshot', CELL], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
    this.#socket = this.#child.stdio[3] as Duplex;
    this.#socket.on('data', (bytes: Buffer) => {
      this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
      if (this.#held.length < HEADER || this.#held.length < HEADER + this.#held.readUInt32LE(0)) return;
      const text = this.#held.toString('utf8', HEADER);
      this.#held = Buffer.alloc(0);
      this.#answered?.(text);
    });
    this.#socket.on('error', () => undefined);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  crank(text: string): Promise<string> {
    const frame = Buffer.allocUnsafe(HEADER + Buffer.byteLength(text));
    frame.fill(0, 0, HEADER);
    frame.writeUInt32LE(frame.length - HEADER, 0);
    frame.write(text, HEADER);
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket.write(frame);
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#child.on('exit', () => resolve());
      this.#child.kill('SIGKILL');
    });
  }
}

/**
 * The minimal cost of a durable commit: a thread inserts one row for each commit with synchronous=FULL, and groups the commits that have
 * gathered.
 */
export class BareCommits {
  readonly #worker: Worker;
  readonly #folder: string;
  readonly #waiting = new Map<number, () => void>();
  #last = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#worker = new Worker(COMMITTER, { eval: true, workerData: join(folder, 'floor.db') });
    this.#worker.on('message', (ids: number[]) => {
      for (const id of ids) {
        this.#waiting.get(id)?.();
        this.#waiting.delete(id);
      }
    });
  }

  static async open(): Promise<BareCommits> {
    return new BareCommits(await mkdtemp(join(tmpdir(), 'corral-floor-')));
  }

  commit(row: string): Promise<void> {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#worker.postMessage([id, row]);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const COMMITTER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { DatabaseSync } = require('node:sqlite');
  const db = new DatabaseSync(workerData);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE journal (seq INTEGER PRIMARY KEY, row TEXT)');
  const insert = db.prepare('INSERT INTO journal (row) VALUES (?)');
  let gathered = [];
  parentPort.on('message', (message) => { if (gathered.push(message) === 1) setImmediate(() => {
    const batch = gathered; gathered = [];
    db.exec('BEGIN'); for (const [, row] of batch) insert.run(row); db.exec('COMMIT');
    parentPort.postMessage(batch.map(([id]) => id));
  }) });`;

/** Proportional set size of a process and its descendants, in MiB. */
export function treePss(pid: number): number {
  const own = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0) / 1024;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  return own + children.reduce((sum, child) => sum + treePss(child), 0);
}

/** MiB for each raw isolate with a context, in a new process. */
export async function rawDensity(n: number): Promise<number> {
  const script = `
    const { readFileSync } = require('node:fs');
    const ivm = require('isolated-vm');
    const pss = () => Number(/^Pss:\\s+(\\d+)/m.exec(readFileSync('/proc/self/smaps_rollup', 'latin1'))[1]) / 1024;
    const make = () => { const isolate = new ivm.Isolate({ memoryLimit: 64 }); isolate.createContextSync().evalSync('1 + 1'); return isolate };
    const kept = [make()];
    const before = pss();
    for (let i = 0; i < ${n}; i++) kept.push(make());
    console.log((pss() - before) / ${n}); process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--no-node-snapshot', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await new Promise((resolve) => child.on('close', resolve));
  return Number(text);
}
