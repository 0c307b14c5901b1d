/** Outcomes of runs whose crank was not answered. They are derived from observations, not from claims of the guest. */
import type { FaultPayload } from '@corral/protocol/wire/frame';
import type { CorralError } from '@corral/protocol/errors';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { ProcessExit } from '@corral/protocol/ports/machine';
import type { RunHeader } from '@corral/protocol/model/run';
import type { Cell } from '../cells/cell.ts';
import { loadOf } from '../cells/seats.ts';
import type { OnCpu, Run } from './run.ts';

/** Messages of V8 and the C++ library when memory is exhausted. */
const OUT_OF_MEMORY = /out of memory|bad_alloc|Allocation failed|heap limit/i;

/** The end of what a process wrote to its error output, on one line. */
export const lastWords = (exit: ProcessExit): string => exit.lastWords.trim().split('\n').slice(-3).join(' ').slice(0, 300);

/** Whether the run that was on the CPU of a lost cell is to blame, by what the process or the kernel reported. */
export const blames = (exit: ProcessExit): boolean => exit.cause !== undefined || saysOutOfMemory(exit);

/** Whether a process ended as it does when its stack overflows: by a signal that bubblewrap reports as exit code 128 + 11. */
const overflowed = ({ code, signal }: ProcessExit): boolean => signal === 'SIGSEGV' || code === 139;

/** Whether the process reported that it ran out of memory. */
const saysOutOfMemory = (exit: ProcessExit): boolean => OUT_OF_MEMORY.test(exit.lastWords);

/** Outcome of a run whose cell died during its crank without being killed by the host. */
export function outcomeOfLoss(exit: ProcessExit, error: CorralError | undefined): Outcome {
  if (error !== undefined)
    return { kind: 'failed', code: error.code === 'CORRAL_INTERNAL' ? error.code : 'CORRAL_CELL_PROTOCOL', message: error.message };
  const words = lastWords(exit);
  if (exit.cause?.kind === 'call') {
    const call = exit.cause.call === undefined ? 'a forbidden system call' : `the forbidden system call ${exit.cause.call}`;
    return {
      kind: 'failed',
      code: 'CORRAL_CELL_CALL',
      message: `The cell made ${call}, and the kernel ended it. This run was the last on its CPU.`,
    };
  }
  if (exit.cause?.kind === 'memory')
    return { kind: 'exceeded', limit: 'memory', message: 'The cell took all the memory of its control group, and the kernel ended it.' };
  if (saysOutOfMemory(exit)) return { kind: 'exceeded', limit: 'memory', message: `The run used up its cell’s memory: ${words}` };
  if (overflowed(exit))
    return {
      kind: 'exceeded',
      limit: 'stack',
      message:
        'Each cell that ran this crank ended by a segmentation fault: its calls were nested deeper than the stack of a process. Bound recursion by a counter.',
    };
  const how = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
  return { kind: 'failed', code: 'CORRAL_CELL_CRASHED', message: `The cell ended with ${how} during a crank of this run. ${words}`.trim() };
}

/** Outcome of a run whose isolate did not survive a crank or a replay. */
export function outcomeOfFault(fault: FaultPayload, crank: OnCpu | undefined, run: Run): Outcome {
  const { message, stack } = fault;
  const more = stack === undefined ? {} : { stack };
  switch (fault.fault) {
    case 'timeout':
      return {
        kind: 'exceeded',
        limit: 'cpu',
        message: `One crank used more than ${run.ledger.record.ceilings.crank_cpu_ms} ms of CPU time.`,
      };
    case 'load_timeout':
      return {
        kind: 'exceeded',
        limit: 'cpu',
        message: `Loading its bundle used more than ${loadOf(run).load_ms} ms of CPU time.`,
      };
    case 'memory':
      return {
        kind: 'exceeded',
        limit: 'memory',
        message: `The isolate reached its limit of ${run.ledger.record.ceilings.memory_mib} MiB.`,
      };
    case 'too_many':
      return { kind: 'exceeded', limit: 'effects_per_crank', message };
    case 'log_bytes':
      return { kind: 'exceeded', limit: 'log_bytes', message };
    case 'diverged':
      return { kind: 'diverged', crank: crank?.crank ?? run.ledger.seq, ...differenceOf(fault, fault.expected ?? '') };
    case 'load':
      if (run.ledger.record.program !== undefined)
        return { kind: 'failed', code: 'CORRAL_PROGRAM_INVALID', message: `The program does not compile: ${message}.` };
      return { kind: 'failed', code: 'CORRAL_BUNDLE_INVALID', message, ...more };
    case 'rejected':
      return { kind: 'failed', code: 'CORRAL_UNHANDLED_REJECTION', message, ...more };
  }
}

/**
 * The difference between a replay and the record.
 * @param otherwise text for the record, if the fault is not a difference between effects
 */
export function differenceOf(fault: FaultPayload, otherwise: string): Omit<Extract<Outcome, { kind: 'diverged' }>, 'kind' | 'crank'> {
  const { expected = otherwise, seen = fault.message, index, kind } = fault;
  return { expected, seen, ...(index === undefined || kind === undefined ? {} : { index, difference: kind }) };
}

/** Runtime of a cell, if it differs from the one on which the run was last replayed; else undefined. */
export function runtimeOf(run: Run, cell: Cell, image: string): RunHeader | undefined {
  const { header } = run.ledger;
  if (cell.runtime === undefined) return undefined;
  const { node, v8, icu } = cell.runtime;
  if (node === header.node && v8 === header.v8 && icu === header.icu && image === header.image) return undefined;
  return { seed: header.seed, image, node, v8, icu };
}
