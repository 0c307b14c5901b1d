/** A cell that has been taken over: it speaks to the supervisor in every way it should not. */
import { describe, expect } from 'vitest';
import { encodeFrame, FRAME_HEADER_BYTES, FrameKind } from '@corral/protocol/wire/frame';
import type { CellLauncher, CellProcess, CellProcessEvents } from '@corral/protocol/ports/machine';
import { findWalls, ProcessLauncher } from '@corral/supervisor';
import { readingTool, world } from '../world.ts';
import { eachOrLong } from '../tables.ts';

/** Launches real cells, and lets a test put words into the mouth of the next one that is asked for a crank. */
class TakenOver implements CellLauncher {
  readonly #real = new ProcessLauncher(findWalls());
  speak: ((to: To) => Buffer[]) | undefined;

  launch(events: CellProcessEvents): CellProcess {
    const cell = this.#real.launch(events);
    const write = cell.write.bind(cell);
    cell.write = (bytes) => {
      const speak = this.speak;
      if (speak === undefined || bytes.readUInt32LE(4) !== FrameKind.crank) return write(bytes);
      this.speak = undefined;
      const words = speak({ incarnation: bytes.readUInt32LE(8), assignment: bytes.readUInt32LE(12), crank: bytes.readUInt32LE(16) });
      setImmediate(() => words.forEach((one) => events.onBytes(one)));
    };
    return cell;
  }
}

/** The crank that the cell was asked for. */
interface To {
  readonly incarnation: number;
  readonly assignment: number;
  readonly crank: number;
}

const head = { kind: FrameKind.cranked, cpu_us: 0, heap_kib: 0 };
const finish = '[{"kind":"finish","output":"forged"}]';

describe('a cell that is taken over', () => {
  eachOrLong(
    [
      ['announces a frame of 4 GiB', (to: To) => [withLength(encodeFrame({ ...head, ...to }, ''), 0xffff_ffff)], 'CORRAL_CELL_PROTOCOL'],
      [
        'announces a frame beyond the bound',
        (to: To) => [withLength(encodeFrame({ ...head, ...to }, ''), 17 * 1024 * 1024)],
        'CORRAL_CELL_PROTOCOL',
      ],
      [
        'sends a frame that only the supervisor sends',
        (to: To) => [encodeFrame({ ...head, ...to, kind: FrameKind.crank }, '')],
        'CORRAL_CELL_PROTOCOL',
      ],
      ['speaks for another incarnation', (to: To) => [encodeFrame({ ...head, ...to, incarnation: 999 }, finish)], 'CORRAL_CELL_PROTOCOL'],
      [
        'speaks for a run that it was not given',
        (to: To) => [encodeFrame({ ...head, ...to, assignment: 77 }, finish)],
        'CORRAL_CELL_PROTOCOL',
      ],
      [
        'answers a crank that it was not asked for',
        (to: To) => [encodeFrame({ ...head, ...to, crank: 5 }, finish)],
        'CORRAL_CELL_PROTOCOL',
      ],
      [
        'answers twice',
        (to: To) => [encodeFrame({ ...head, ...to }, '[{"kind":"timer","id":1,"ms":60000}]'), encodeFrame({ ...head, ...to }, finish)],
        undefined,
      ],
      [
        'reports an isolate lost for the second time',
        (to: To) =>
          Array.from({ length: 2 }, () =>
            encodeFrame({ ...head, ...to, assignment: 1, kind: FrameKind.fault }, '{"fault":"load","message":"x"}'),
          ),
        'CORRAL_CELL_PROTOCOL',
      ],
      [
        'reports an isolate lost that it never had',
        (to: To) => [encodeFrame({ ...head, ...to, assignment: 9, kind: FrameKind.fault }, '{"fault":"load","message":"x"}')],
        'CORRAL_CELL_PROTOCOL',
      ],
      [
        'says that it made an isolate in advance, which nobody asked for',
        (to: To) => [encodeFrame({ ...head, ...to, kind: FrameKind.spared, heap_kib: 500 }, '')],
        'CORRAL_CELL_PROTOCOL',
      ],
      [
        'says twice that a bundle is loaded',
        (to: To) => Array.from({ length: 2 }, () => encodeFrame({ ...head, ...to, kind: FrameKind.loaded }, '')),
        'CORRAL_CELL_PROTOCOL',
      ],
      ['greets again', (to: To) => [encodeFrame({ ...head, ...to, kind: FrameKind.ready }, '{}')], 'CORRAL_CELL_PROTOCOL'],
      [
        'reports a fault of its own invention',
        (to: To) => [encodeFrame({ ...head, ...to, kind: FrameKind.fault }, '{"fault":"promoted","message":"x"}')],
        'CORRAL_CELL_PROTOCOL',
      ],
      ['sends noise', () => [Buffer.alloc(FRAME_HEADER_BYTES * 3, 0xa5)], 'CORRAL_CELL_PROTOCOL'],
      ['sends effects that are not JSON', (to: To) => [encodeFrame({ ...head, ...to }, '{{{')], 'CORRAL_EFFECT_INVALID'],
      [
        'sends effects of the wrong shape',
        (to: To) => [encodeFrame({ ...head, ...to }, '[{"kind":"call","id":1,"cap":"read"}]')],
        'CORRAL_EFFECT_INVALID',
      ],
      [
        'numbers its effects as it likes',
        (to: To) => [encodeFrame({ ...head, ...to }, '[{"kind":"timer","id":7,"ms":1}]')],
        'CORRAL_EFFECT_INVALID',
      ],
      [
        'uses a capability it was never given',
        (to: To) => [encodeFrame({ ...head, ...to }, '[{"kind":"call","id":1,"cap":2,"input":{}}]')],
        'CORRAL_CAP_FORGED',
      ],
      [
        'goes on after it has finished',
        (to: To) => [encodeFrame({ ...head, ...to }, '[{"kind":"finish"},{"kind":"call","id":1,"cap":1,"input":{}}]')],
        'CORRAL_EFFECT_INVALID',
      ],
      [
        'nests a million levels',
        (to: To) => [encodeFrame({ ...head, ...to }, `[{"kind":"call","id":1,"cap":1,"input":${'['.repeat(1e6)}${']'.repeat(1e6)}}]`)],
        undefined,
      ],
    ],
    [
      'announces a frame beyond the bound',
      'speaks for a run that it was not given',
      'answers twice',
      'sends noise',
      'uses a capability it was never given',
      'sends effects of the wrong shape',
    ],
  )('and %s is cut off, and only the run on its CPU pays', async (_, words, code) => {
    const launcher = new TakenOver();
    let looked = 0;
    const w = await world([readingTool('look', () => (looked += 1))], { launcher, cellsPerTenant: 1 });
    const version = await w.deploy(
      `{ name: 'a', uses: { look: 'tool:look' }, async run({ caps, input }) { await caps.look({}); return input } }`,
    );
    expect(await (await w.submit(version, 'before')).ended).toEqual({ kind: 'completed', output: 'before' });
    launcher.speak = words;
    const { id, ended } = await w.submit(version, 'hostile');
    if (code === undefined) {
      // Its words were well-formed: the run is held to them, and to nothing more.
      await w.until(id, (view) => view === undefined || view.waiting !== 'nothing' || view.calls > 0);
      if (w.supervisor.view(id) !== undefined) await w.supervisor.control.kill(id, 'test', 'seen enough').catch(() => undefined);
    }
    const outcome = await ended;
    expect(outcome).not.toMatchObject({ kind: 'completed', output: 'forged' });
    expect(outcome).toMatchObject(code === undefined ? {} : { kind: 'failed', code });
    expect(await (await w.submit(version, 'after')).ended).toEqual({ kind: 'completed', output: 'after' });
    expect(looked).toBe(2);
  });
});

function withLength(frame: Buffer, length: number): Buffer {
  frame.writeUInt32LE(length, 0);
  return frame;
}
