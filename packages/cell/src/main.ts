/**
 * The cell: a process without authority that hosts the isolates of one tenant and runs one crank at a time. It reads frames,
 * executes and answers them, and never acts without one.
 *
 * argv: path of the image, user id to become (or -)
 */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import {
  BUNDLES_PER_CELL,
  FrameKind,
  type Frame,
  type HelloPayload,
  type ReplayPayload,
  type SparePayload,
  type StartPayload,
} from '@corral/protocol/wire/frame';
import { needsOf, type PreludeConfig } from '@corral/guest/abi';
import { Channel } from './channel.ts';
import { CpuTime } from './cpu.ts';
import { CachedScript, SandboxImage, type ImageData } from './image.ts';
import { dropPowers } from './powers.ts';
import { ProgramScript } from './program.ts';
import { replay } from './replay.ts';
import { Fault, Session } from './session.ts';
import { warmUp } from './warm.ts';

const [imagePath = '', user = '-'] = process.argv.slice(2);
const image = new SandboxImage(JSON.parse(readFileSync(imagePath, 'utf8')) as ImageData);
// How many calls fit on a stack depends on which functions V8 has compiled by then, so an agent that caught the RangeError and counted
// would do something else when it is replayed, and V8 cannot make that error terminal. With this limit, which is above what the operating
// system gives to a process, V8 never throws it: the kernel ends the process, and the supervisor the run. Kibibytes.
setFlagsFromString('--stack-size=1000000');
dropPowers(user === '-' ? undefined : Number(user));

interface Loaded {
  readonly script: CachedScript;
  readonly needs: ReturnType<typeof needsOf> & Pick<PreludeConfig, 'program'>;
}

const channel = new Channel();
const bundles = new Map<string, Loaded>();
const sessions = new Map<number, Session>();
let hello: HelloPayload = { effects_per_crank: 0, effects_bytes: 0 };
const time = new CpuTime();
/** CPU time of loads that no crank has reported yet. */
let unreported_us = 0;

/** Frames between two measurements of the heap: one costs about as much as a short crank. */
const HEAP_EVERY = 16;
let untilHeap = 0;

for (let frame = channel.receive(); frame !== undefined; frame = channel.receive()) {
  time.begin();
  try {
    handle(frame);
  } catch (error) {
    sessions.delete(frame.assignment);
    const payload = error instanceof Fault ? error.payload : { fault: 'load', message: String(error) };
    channel.send({ ...frame, kind: FrameKind.fault, cpu_us: time.used() + unreported_us, heap_kib: 0 }, JSON.stringify(payload));
    unreported_us = 0;
  }
  time.end();
}
// The supervisor has closed the connection.
process.exit(0);

function handle(frame: Frame): void {
  switch (frame.kind) {
    case FrameKind.hello: {
      hello = JSON.parse(frame.payload) as HelloPayload;
      warmUp(image);
      const { node, v8, icu = '' } = process.versions;
      channel.send({ ...frame, kind: FrameKind.ready }, JSON.stringify({ pid: process.pid, node, v8, icu }));
      return;
    }
    case FrameKind.bundle:
    case FrameKind.program: {
      keep(frame);
      return;
    }
    case FrameKind.spare: {
      const heap_kib = spare(frame.assignment, JSON.parse(frame.payload) as SparePayload);
      channel.send({ ...frame, kind: FrameKind.spared, cpu_us: time.used(), heap_kib }, '');
      return;
    }
    case FrameKind.start: {
      const start = JSON.parse(frame.payload) as StartPayload;
      const made = sessions.get(frame.assignment);
      if (made === undefined) {
        sessions.set(frame.assignment, new Session(options(start)));
        channel.send({ ...frame, kind: FrameKind.loaded, cpu_us: time.used(), heap_kib: 0 }, '');
      } else made.begin(start);
      unreported_us += time.used();
      return;
    }
    case FrameKind.crank: {
      const session = sessions.get(frame.assignment);
      // The load of this run failed, which was already reported.
      if (session === undefined) return;
      const effects = session.crank(frame.payload, frame.cpu_us);
      const cpu_us = time.used() + unreported_us;
      unreported_us = 0;
      const look = --untilHeap < 0 || cpu_us > 2000;
      if (look) untilHeap = HEAP_EVERY;
      channel.send({ ...frame, kind: FrameKind.cranked, cpu_us, heap_kib: look ? session.heapKib() : 0 }, effects);
      return;
    }
    case FrameKind.replay: {
      const session = sessions.get(frame.assignment);
      if (session === undefined) return;
      replay(session, JSON.parse(frame.payload) as ReplayPayload, frame.cpu_us);
      channel.send({ ...frame, kind: FrameKind.replayed, cpu_us: time.used() + unreported_us, heap_kib: session.heapKib() }, '');
      unreported_us = 0;
      return;
    }
    case FrameKind.drop: {
      sessions.get(frame.assignment)?.retire();
      sessions.delete(frame.assignment);
      return;
    }
    case FrameKind.describe: {
      const session = new Session(options(JSON.parse(frame.payload) as StartPayload));
      try {
        channel.send({ ...frame, kind: FrameKind.described, cpu_us: time.used(), heap_kib: 0 }, session.describe(frame.cpu_us));
      } finally {
        session.dispose();
      }
      return;
    }
    default:
      throw new Error(`A cell is not told frame ${frame.kind}.`);
  }
}

/** Keeps a bundle or a program for the runs of it. */
function keep(frame: Frame): void {
  const end = frame.payload.indexOf('\n');
  const source = frame.payload.slice(end + 1);
  if (bundles.size >= BUNDLES_PER_CELL) bundles.delete(bundles.keys().next().value as string);
  const loaded: Loaded =
    frame.kind === FrameKind.program
      ? { script: new ProgramScript(source), needs: { ...needsOf(source), program: true } }
      : { script: new CachedScript(source, 'agent.js'), needs: needsOf(source) };
  bundles.set(frame.payload.slice(0, end), loaded);
}

/** Makes an isolate in advance. @returns the size of its heap; 0 if the bundle cannot be loaded before its run is known */
function spare(assignment: number, payload: SparePayload): number {
  try {
    const session = new Session(options(payload));
    sessions.set(assignment, session);
    return session.heapKib();
  } catch (error) {
    // No run is to blame: the next one loads the bundle itself, and meets the same fault if the bundle is the cause.
    if (error instanceof Fault) return 0;
    throw error;
  }
}

function options({ bundle: digest, memory_mib, load_cpu_us, ...config }: StartPayload | SparePayload) {
  const bundle: Loaded = bundles.get(digest) ?? { script: new CachedScript('', 'agent.js'), needs: needsOf('') };
  return { image, bundle: bundle.script, config: { ...config, ...hello, ...bundle.needs }, memory_mib, load_cpu_us };
}
