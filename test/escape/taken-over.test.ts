/** A cell that was taken over, with machine code at hand: what it takes from the machine, and how its host and its people hear of it. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { findWalls, ProcessLauncher } from '@corral/supervisor';
import { KernelLog } from '@corral/supervisor/host/kernel-log';
import { CELL_MAIN, cellCommand } from '@corral/supervisor/host/walls';
import { FORBIDDEN } from '@corral/supervisor/host/syscalls';
import { until } from '../until.ts';
import { world, type World, type WorldOptions } from '../world.ts';

const TAKEN_OVER = fileURLToPath(new URL('./fixtures/taken-over.mjs', import.meta.url));
const walls = findWalls();
const column = process.arch === 'arm64' ? 1 : 0;
const filtered = 'seccomp' in walls.bubblewrap && walls.bubblewrap.seccomp === 'on';

/** A host whose cells are taken over from the moment at which `taken` is set. */
async function hostOfTakenOver(options: WorldOptions = {}): Promise<World & { take: (way: object) => ReturnType<World['submit']> }> {
  let taken = false;
  const launcher = new ProcessLauncher(walls, (nth) => {
    const line = cellCommand(walls, nth);
    if (!taken) return line;
    const args = line.args.map((arg) => (arg === CELL_MAIN ? TAKEN_OVER : arg)).filter((arg) => !/^--(permission|allow-)/.test(arg));
    return { ...line, args };
  });
  const w = await world([], { launcher, spares: 0, cellsPerTenant: 1, ...options });
  const version = await w.deploy(`{ name: 'a', async run({ input }) { return input } }`);
  taken = true;
  return { ...w, take: (way) => w.submit(version, way) };
}

describe.runIf(filtered)('a cell that was taken over, behind the filter of system calls', () => {
  const FAMILIES = { UNIX: 1, INET: 2, INET6: 10, NETLINK: 16, PACKET: 17, ALG: 38, VSOCK: 40 };
  const sockets = Object.entries(FAMILIES).map(([family, number]) => [`opens a socket of AF_${family}`, 'socket', [number, 1, 0]] as const);
  const GUARDED = 0x21;

  test.each([
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
  ] as const)('and %s is ended at once, and the outcome names the call', async (_, call, args) => {
    const number = FORBIDDEN[call][column] as number;
    const w = await hostOfTakenOver();
    const { ended } = await w.take({ way: 'call', number, args });
    expect(await ended).toMatchObject({ kind: 'failed', code: 'CORRAL_CELL_CALL', message: saying(call) });
  });

  // 64-bit Linux has these numbers by architecture: clone and mmap.
  const [clone, mmap] = process.arch === 'arm64' ? [220, 222] : [56, 9];
  test.each([
    ['starts a process', 'clone', clone, [17, 0]],
    ['maps memory that it need not keep mapped', 'mmap', mmap, [0, 4096, 3, GUARDED, -1, 0]],
  ] as const)('and %s is ended at once, and the outcome names the call', async (_, call, number, args) => {
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
    expect([...messages].at(-1)).toContain('the forbidden system call socket ');
  });

  test('and opens a socket in another thread is ended all the same', async () => {
    const w = await hostOfTakenOver();
    const { ended } = await w.take({ way: 'call_in_thread', number: FORBIDDEN.socket[column], args: [1, 1, 0] });
    expect(await ended).toMatchObject({ kind: 'failed', code: 'CORRAL_CELL_CALL' });
  });

  test.each([
    ['clone3', 435, [0, 0]],
    ['io_uring_setup', 425, [8, 0]],
    ['a call that does not exist', 999, []],
  ])('and tries %s is told that this kernel has no such call', async (_, number, args) => {
    const w = await hostOfTakenOver();
    const { ended } = await w.take({ way: 'call', number, args });
    expect(await ended).toEqual({ kind: 'completed', output: 'errno 38' });
  });
});

/** The kernel's log names the call, where it can be read; the kernel leaves out records if there are many within a few seconds. */
const saying = (call: string) =>
  expect.stringMatching(new RegExp(`made (a forbidden system call|the forbidden system call ${call}) `)) as string;
