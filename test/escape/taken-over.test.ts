/** A cell that was taken over, with machine code at hand: what it takes from the machine, and how its host and its people hear of it. */
import { describe, expect, test } from 'vitest';
import type { CeilingsRequest } from '@corral/protocol/model/manifest';
import type { CellProcess, CellProcessEvents } from '@corral/protocol/ports/machine';
import { findWalls, ProcessLauncher } from '@corral/supervisor';
import { CellGroups } from '@corral/supervisor/host/cgroups';
import { findGroups } from '@corral/supervisor/host/group-place';
import { KernelLog } from '@corral/supervisor/host/kernel-log';
import { CELL_MAIN, cellCommand } from '@corral/supervisor/host/walls';
import { FORBIDDEN } from '@corral/supervisor/host/syscalls';
import { patientClock } from '../clock.ts';
import { until } from '../until.ts';
import { eachOrLong } from '../tables.ts';
import { readingTool, world, type World, type WorldOptions } from '../world.ts';
import { takenOverCells, unrestricted } from './fixtures/taken-over.ts';

const walls = findWalls();
const column = process.arch === 'arm64' ? 1 : 0;
const filtered = 'seccomp' in walls.bubblewrap && walls.bubblewrap.seccomp === 'on';

interface TakenOverOptions extends WorldOptions {
  readonly groups?: CellGroups;
  /** Whether the host learns of the CPU time of its cells; if it does not, nothing ends for that. */
  readonly cpuMetered?: boolean;
}

/** A host whose cells are taken over once its agent is deployed. */
async function hostOfTakenOver(
  { groups, cpuMetered = true, ...options }: TakenOverOptions = {},
  wait = readingTool('wait', () => ({})),
): Promise<World & { take: (way: object, ceilings?: CeilingsRequest) => ReturnType<World['submit']> }> {
  const { commandOf, takeOver } = takenOverCells(walls);
  const real = new ProcessLauncher(walls, { groups, commandOf });
  const launcher = cpuMetered ? real : { launch: (events: CellProcessEvents) => withoutCpu(real.launch(events)) };
  const w = await world([wait], { launcher, spares: 0, cellsPerTenant: 1, ...options });
  const version = await w.deploy(`{ name: 'a', uses: { wait: 'tool:wait' }, async run({ input }) { return input } }`);
  takeOver();
  return { ...w, take: (way, ceilings = {}) => w.submit(version, way, { ceilings }) };
}

describe.runIf(filtered)('a cell that was taken over, behind the filter of system calls', () => {
  const FAMILIES = { UNIX: 1, INET: 2, INET6: 10, NETLINK: 16, PACKET: 17, ALG: 38, VSOCK: 40 };
  const sockets = Object.entries(FAMILIES).map(([family, number]) => [`opens a socket of AF_${family}`, 'socket', [number, 1, 0]] as const);
  const GUARDED = 0x21;

  eachOrLong(
    [
      ...sockets,
      ['opens a pair of sockets', 'socketpair', [1, 1, 0]],
      ['takes memory without a name', 'memfd_create', [0, 0]],
      ['takes shared memory', 'shmget', [0, 4096, 0o1600]],
      ['handles page faults itself', 'userfaultfd', [0]],
      ['traces', 'ptrace', [0]],
      ['loads a program into the kernel', 'bpf', [0]],
      ['measures the kernel', 'perf_event_open', [0]],
      ['reads keys', 'keyctl', [0]],
      ['makes namespaces', 'unshare', [0x1000_0000]],
    ] as const,
    ['opens a socket of AF_INET', 'takes memory without a name', 'makes namespaces'],
  )('and %s is ended at once, and the outcome names the call', async (_, call, args) => {
    const number = FORBIDDEN[call][column] as number;
    const w = await hostOfTakenOver();
    const { ended } = await w.take({ way: 'call', number, args });
    expect(await ended).toMatchObject({ kind: 'failed', code: 'CORRAL_CELL_CALL', message: saying(call) });
  });

  // 64-bit Linux has these numbers by architecture: clone and mmap.
  const [clone, mmap] = process.arch === 'arm64' ? [220, 222] : [56, 9];
  eachOrLong(
    [
      ['starts a process', 'clone', clone, [17, 0]],
      ['maps memory that it need not keep mapped', 'mmap', mmap, [0, 4096, 3, GUARDED, -1, 0]],
    ] as const,
    ['starts a process'],
  )('and %s is ended at once, and the outcome names the call', async (_, call, number, args) => {
    const w = await hostOfTakenOver();
    const { ended } = await w.take({ way: 'call', number, args });
    expect(await ended).toMatchObject({ kind: 'failed', code: 'CORRAL_CELL_CALL', message: saying(call) });
  });

  test.runIf(new KernelLog().readable)('and opens a socket: its call has a name, by the kernel’s log', async () => {
    const w = await hostOfTakenOver();
    const messages = new Set<string>();
    await until(async () => {
      const { ended } = await w.take({ way: 'call', number: FORBIDDEN.socket[column], args: [40, 1, 0] });
      const outcome = await ended;
      if ('message' in outcome) messages.add(outcome.message);
      return [...messages].some((message) => message.includes('the forbidden system call'));
    }, 'the kernel has named the call');
    expect([...messages].at(-1)).toContain('the forbidden system call socket,');
  });

  // Bug one-call-named: whoever asked for the call of one process dropped the calls of those that had ended with it.
  test.runIf(new KernelLog().readable)('and another one that ends with it: the call of each has a name', async () => {
    const LISTENS = `setTimeout(() => require('net').createServer().listen(0), 200)`;
    const commandOf = (nth: number) => {
      const line = cellCommand(walls, nth);
      // The files that the sandbox shows come before it.
      const args = [...line.args.slice(0, line.args.lastIndexOf(CELL_MAIN)), '-e', LISTENS];
      return { ...line, args: unrestricted(args) };
    };
    const launcher = new ProcessLauncher(walls, { commandOf });
    /** The id of a process that has ended; undefined if it ended before this one could look. */
    const ended = async () => {
      let gone = false;
      let pid: number | undefined;
      const cell = launcher.launch({ onBytes: () => undefined, onExit: () => (gone = true) });
      await until(() => {
        pid ??= cell.pid;
        return gone;
      }, 'the process has ended');
      return pid;
    };
    const callOf = async (pid: number | undefined) => (pid === undefined ? undefined : log.callOf(pid));
    const log = new KernelLog();
    let calls: (number | undefined)[] = [];
    await until(async () => {
      const [one, other] = await Promise.all([ended(), ended()]);
      calls = [await callOf(one), await callOf(other)];
      return !calls.includes(undefined);
    }, 'the kernel has named both calls');
    log.close();
    expect(calls).toEqual([FORBIDDEN.socket[column], FORBIDDEN.socket[column]]);
  });

  test('and opens a socket in another thread is ended all the same', async () => {
    const w = await hostOfTakenOver();
    const { ended } = await w.take({ way: 'call_in_thread', number: FORBIDDEN.socket[column], args: [1, 1, 0] });
    expect(await ended).toMatchObject({ kind: 'failed', code: 'CORRAL_CELL_CALL' });
  });

  eachOrLong(
    [
      ['clone3', 435, [0, 0]],
      ['io_uring_setup', 425, [8, 0]],
      ['a call that does not exist', 999, []],
    ],
    ['clone3'],
  )('and tries %s is told that this kernel has no such call', async (_, number, args) => {
    const w = await hostOfTakenOver();
    const { ended } = await w.take({ way: 'call', number, args });
    expect(await ended).toEqual({ kind: 'completed', output: 'errno 38' });
  });
});

describe.runIf(process.platform === 'linux')('a cell that was taken over', () => {
  const ceilings = { crank_cpu_ms: 10_000, memory_mib: 64 };

  test('and takes memory outside of its isolates is ended for it', async () => {
    const w = await hostOfTakenOver({ cell_memory_mib: 256, clock: patientClock });
    const { ended } = await w.take({ way: 'memory', mib: 4_000 }, ceilings);
    expect(await ended).toMatchObject({ kind: 'exceeded', limit: 'memory' });
  });

  test('and takes memory for page tables, whose pages it gives back, is ended for it', { tags: 'long' }, async () => {
    const w = await hostOfTakenOver({ cell_memory_mib: 256, clock: patientClock });
    const { ended } = await w.take({ way: 'tables', gib: 400 }, ceilings);
    expect(await ended).toMatchObject({ kind: 'exceeded', limit: 'memory' });
  });

  test('and computes in other threads, while the main one waits, is ended for it', async () => {
    const w = await hostOfTakenOver();
    const { ended } = await w.take({ way: 'threads', threads: 4 }, { crank_cpu_ms: 500 });
    expect(await ended).toMatchObject({ kind: 'exceeded', limit: 'cpu', message: expect.stringContaining('Other threads used') as string });
  });

  eachOrLong(
    [
      ['computes in other threads', { way: 'threads', threads: 4 }, {}, /CPU time/],
      // Pages cost CPU time, so on a slow machine that would be the first reason.
      ['takes memory', { way: 'memory', mib: 1_000 }, { cpuMetered: false }, /grew by \d+ MiB while it had no work/],
    ],
    ['takes memory'],
  )(
    'and %s when it has no work is killed, and the run that was last on its CPU ends if it happens again',
    async (_, later, meters, why) => {
      const used = new Set<number | undefined>();
      // Answers once the cell of its caller is gone.
      const wait = readingTool('wait', async (__, { run }) => {
        const pid = w.supervisor.cellOf(run)?.pid;
        used.add(pid);
        await until(() => !w.supervisor.cells().some((cell) => cell.pid === pid), 'the cell is killed');
        return {};
      });
      const w = await hostOfTakenOver({ cell_memory_mib: 4_096, ...meters }, wait);
      const { ended } = await w.take({ way: 'call', number: 999, later });
      expect(await ended).toMatchObject({ kind: 'failed', code: 'CORRAL_CELL_PROTOCOL', message: expect.stringMatching(why) as string });
      expect(used.size).toBe(3);
    },
  );

  test.runIf(filtered)(
    'and opens a socket when it has no work is ended by the kernel, and so is the run that was last on its CPU',
    async () => {
      const w = await hostOfTakenOver(
        {},
        readingTool('wait', () => new Promise(() => undefined)),
      );
      const { ended } = await w.take({
        way: 'call',
        number: 999,
        later: { way: 'call', number: FORBIDDEN.socket[column], args: [1, 1, 0] },
      });
      expect(await ended).toMatchObject({ kind: 'failed', code: 'CORRAL_CELL_CALL', message: saying('socket') });
    },
  );
});

const place = findGroups();

describe.skipIf('missing' in place)('a cell in a control group', () => {
  test('and takes memory is ended by the kernel, whatever the watch allows it', async () => {
    if ('missing' in place) throw new Error(place.missing);
    const groups = new CellGroups(place, { cell_memory_mib: 128, cores: 2 });
    const w = await hostOfTakenOver({ cell_memory_mib: 8_192, groups });
    const { ended } = await w.take({ way: 'memory', mib: 900 }, { memory_mib: 1_024, crank_cpu_ms: 10_000 });
    expect(await ended).toMatchObject({
      kind: 'exceeded',
      limit: 'memory',
      message: 'The cell took all the memory of its control group, and the kernel ended it.',
    });
  });
});

/** The cell as a platform shows it that measures memory and no CPU time. */
function withoutCpu(cell: CellProcess): CellProcess {
  const meter = cell.meter.bind(cell);
  cell.meter = () => {
    const read = meter();
    return read && { ...read, cpu_ms: 0, all_cpu_ms: 0 };
  };
  return cell;
}

/** The kernel's log names the call, where it can be read; the kernel leaves out records if there are many within a few seconds. */
const saying = (call: string) =>
  expect.stringMatching(new RegExp(`made (a forbidden system call|the forbidden system call ${call}),`)) as string;
