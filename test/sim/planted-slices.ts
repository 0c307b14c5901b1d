/** Planted bugs of cranks that are decided in slices. */
import type { Edit } from './planted-fleet.ts';

export const SLICE_BUGS: Readonly<Record<string, readonly Edit[]>> = {
  /** The reservations of a dropped draft stay in the accounts. */
  'leave-reserved': [
    {
      file: 'broker/src/commit/slices.ts',
      piece: 'this.#stop?.();\n    this.#take();',
      becomes: 'this.#stop?.();',
    },
  ],
  /** A run that is paused keeps its open draft, which is adopted later. */
  'decide-while-paused': [
    { file: 'supervisor/src/cells/scheduler.ts', piece: 'if (!run.behind.deciding) return;', becomes: 'return;' },
    {
      file: 'broker/src/commit/slices.ts',
      piece: "if (this.#isOpen && this.#run.control !== 'none') return this.#decided.stopped();",
      becomes: '',
    },
  ],
  /** Operations of people are recorded before the crank that is being decided. */
  'before-the-crank': [
    { file: 'broker/src/commit/behind.ts', piece: 'if (this.#open === undefined) return work();', becomes: 'return work();' },
    { file: 'broker/src/ledger/ledger.ts', piece: 'if (this.#isDrafted) throw', becomes: 'if (false) throw' },
  ],
};
