/** Planted bugs of streams; see mutations.ts. */
import type { Edit } from './planted-fleet.ts';

export const STREAM_BUGS: Readonly<Record<string, readonly Edit[]>> = {
  /** A call is made again after parts of its answer were delivered. */
  'stream-again': [
    { file: 'broker/src/dispatch/dispatcher.ts', piece: ' && stream?.hasBegun !== true', becomes: '' },
    { file: 'supervisor/src/runs/queue.ts', piece: 'call.stream?.parts === offset', becomes: 'call.stream !== undefined' },
  ],
  /** After a restart too. */
  'stream-again-after-restart': [
    { file: 'broker/src/dispatch/departures.ts', piece: 'if (hasBegun(call)) return', becomes: 'if (Date.now() < 0) return' },
  ],
  /** A payment that its agent has given up is made again as a stream that nobody reads. */
  'stream-to-nobody': [
    { file: 'broker/src/dispatch/departures.ts', piece: 'call.given_up === true\n', becomes: 'call.given_up === undefined && false\n' },
  ],
  /** A chunk of an attempt is delivered after its result was recorded as unknown. */
  'chunk-of-unknown': [
    {
      file: 'broker/src/dispatch/dispatcher.ts',
      piece: 'if (stream === undefined || this.#stopped) return this.#unknown',
      becomes: 'return this.#unknown',
    },
  ],
  /** The end of a stream does not wait for the parts before it. */
  'end-before-parts': [
    {
      file: 'broker/src/dispatch/streams.ts',
      piece: 'ENDED);\n    if (this.#dropped) return tell();',
      becomes: 'ENDED);\n    if (this.#end === undefined) return tell();',
    },
  ],
  /** Parts of an attempt that failed are given together with those of the next one. */
  'keep-failed-parts': [{ file: 'broker/src/dispatch/dispatcher.ts', piece: 'stream?.again();', becomes: ';' }],
  /** The end is told before the last chunk is durable, so it outlives a chunk that is lost. */
  'end-before-durable': [
    {
      file: 'broker/src/dispatch/streams.ts',
      piece: 'if (end === undefined || this.#underway) return;',
      becomes: 'if (end === undefined) return;',
    },
  ],
  /** Untrusted parts of a stream do not raise the label. */
  'clean-chunk': [{ file: 'broker/src/ledger/streams.ts', piece: 'readParts(ledger, call, read.value);', becomes: ';' }],
};
