/**
 * The filter of system calls around a cell (seccomp): a program of classic BPF, which the kernel runs at every call of the process. It is
 * assembled here and handed to bubblewrap, which installs it right before it starts the cell. The cell cannot remove it.
 *
 * The kernel's definitions are in linux/filter.h, linux/seccomp.h and linux/audit.h.
 */
import { HOST_ALSO } from './host-syscalls.ts';
import { ALLOWED, FORBIDDEN, type Numbers } from './syscalls.ts';

/** Architectures for which there is a filter. */
export type Arch = 'x64' | 'arm64';

/** One instruction: operation, where to jump if the comparison holds and if it does not, operand. */
type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

/** AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64. */
const AUDIT_ARCH: Readonly<Record<Arch, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };
const COLUMN: Readonly<Record<Arch, 0 | 1>> = { x64: 0, arm64: 1 };

// Operations of classic BPF: BPF_LD|BPF_W|BPF_ABS, BPF_JMP with BPF_JEQ, BPF_JGE or BPF_JSET, BPF_ALU|BPF_AND, BPF_RET.
const LOAD = 0x20;
const EQUAL = 0x15;
const AT_LEAST = 0x35;
const ANY_BIT = 0x45;
const AND = 0x54;
const RETURN = 0x06;

// Offsets in struct seccomp_data. The filter reads the lower half of an argument, which comes first on both architectures.
const NUMBER = 0;
const ARCH = 4;
const argument = (n: number): number => 16 + 8 * n;

const KILL = 0x8000_0000;
const ALLOW = 0x7fff_0000;
const fail = (errno: number): number => 0x0005_0000 + errno;
const EPERM = 1;
const EINVAL = 22;
const ENOTTY = 25;
const ENOSYS = 38;

/** On x86-64 this bit of the number selects the x32 table, whose calls a filter of 64-bit numbers would not see. */
const X32 = 0x4000_0000;

const CLONE_THREAD = 0x0001_0000;
/** MAP_SHARED and MAP_ANONYMOUS. */
const SHARED_ANONYMOUS = 0x21;
const MADV_PAGEOUT = 21;
const F_SETPIPE_SZ = 1031;
const PR_SET_PDEATHSIG = 1;
/** TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX. */
const IOCTLS = [0x5401, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451];

const give = (verdict: number): Instruction => [RETURN, 0, 0, verdict];
const load = (offset: number): Instruction => [LOAD, 0, 0, offset];
/** Answers with a verdict if the loaded value is this one, else goes on. */
const on = (value: number, verdict: number): readonly Instruction[] => [[EQUAL, 0, 1, value], give(verdict)];

/** Calls that depend on an argument: the program that gives the verdict. */
const BY_ARGUMENT: Readonly<Record<string, readonly Instruction[]>> = {
  // A new thread, and no new process.
  clone: [load(argument(0)), [ANY_BIT, 0, 1, CLONE_THREAD], give(ALLOW), give(KILL)],
  // Such memory can be kept without being mapped, and would then count for no process.
  mmap: [load(argument(3)), [AND, 0, 0, SHARED_ANONYMOUS], ...on(SHARED_ANONYMOUS, KILL), give(ALLOW)],
  // Memory that was moved to swap does not count as resident.
  madvise: [load(argument(2)), ...on(MADV_PAGEOUT, fail(EINVAL)), give(ALLOW)],
  // A pipe's buffer is memory of the kernel.
  fcntl: [load(argument(1)), ...on(F_SETPIPE_SZ, fail(EPERM)), give(ALLOW)],
  // bubblewrap has the kernel kill the cell when its host dies; the cell must not call that off.
  prctl: [load(argument(0)), ...on(PR_SET_PDEATHSIG, fail(EPERM)), give(ALLOW)],
  ioctl: [load(argument(1)), ...IOCTLS.flatMap((command) => on(command, ALLOW)), give(fail(ENOTTY))],
};

/** Sorted by number, so that the program is the same on every machine. */
function numbersOf(table: Readonly<Record<string, Numbers>>, arch: Arch): { readonly name: string; readonly number: number }[] {
  return Object.entries(table)
    .flatMap(([name, numbers]) => (numbers[COLUMN[arch]] === undefined ? [] : [{ name, number: numbers[COLUMN[arch]] as number }]))
    .sort((a, b) => a.number - b.number);
}

/** Loads the number of the call, once it is certain that it is one of this architecture. */
function numbered(arch: Arch): readonly Instruction[] {
  return [
    load(ARCH),
    [EQUAL, 1, 0, AUDIT_ARCH[arch]],
    give(KILL),
    load(NUMBER),
    ...(arch === 'x64' ? ([[AT_LEAST, 0, 1, X32], give(KILL)] as const) : []),
  ];
}

function program(arch: Arch): readonly Instruction[] {
  const allowed = numbersOf(ALLOWED, arch);
  return [
    ...numbered(arch),
    ...allowed.flatMap(({ name, number }): readonly Instruction[] => {
      const verdict = BY_ARGUMENT[name];
      return verdict === undefined ? on(number, ALLOW) : [[EQUAL, 0, verdict.length, number], ...verdict];
    }),
    ...numbersOf(FORBIDDEN, arch).flatMap(({ number }) => on(number, KILL)),
    give(fail(ENOSYS)),
  ];
}

/** Whether there is a filter for this architecture, by `process.arch`. */
export const isFiltered = (arch: string): arch is Arch => arch in AUDIT_ARCH;

/** The filter as an array of struct sock_filter, which is what bubblewrap's `--seccomp` reads. */
export const seccompFilter = (arch: Arch): Buffer => assembled(program(arch));

/** Calls of a whole host, by name. */
const HOST: Readonly<Record<string, Numbers>> = { ...ALLOWED, ...HOST_ALSO };

/**
 * The profile of a host's container as a filter: what `hostProfile` says, assembled here. Every other call fails with ENOSYS; none ends the
 * process, because a host also runs programs of its tools.
 */
export function hostFilter(arch: Arch): Buffer {
  return assembled([...numbered(arch), ...numbersOf(HOST, arch).flatMap(({ number }) => on(number, ALLOW)), give(fail(ENOSYS))]);
}

/** A host's calls that a program of others does not get: mounts and namespaces, and `clone3`, whose flags a filter cannot see. */
const NOT_OF_PROGRAMS: ReadonlySet<string> = new Set(['clone3', 'mount', 'umount2', 'pivot_root', 'unshare']);
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Others, such as AF_VSOCK, are not confined by a network namespace. */
const FAMILIES = [1, 2, 10, 16];
const EAFNOSUPPORT = 97;
/** CLONE_NEW…: namespaces. */
const CLONE_NEW = 0x7e02_0000;
const OF_PROGRAMS: Readonly<Record<string, readonly Instruction[]>> = {
  socket: [load(argument(0)), ...FAMILIES.flatMap((family) => on(family, ALLOW)), give(fail(EAFNOSUPPORT))],
  clone: [load(argument(0)), [ANY_BIT, 0, 1, CLONE_NEW], give(fail(EPERM)), give(ALLOW)],
};

/** The filter around a program of others, such as an MCP server: it may do what a host may do, but for mounts, namespaces and odd sockets. */
export function programFilter(arch: Arch): Buffer {
  const allowed = numbersOf(HOST, arch).filter(({ name }) => !NOT_OF_PROGRAMS.has(name));
  return assembled([
    ...numbered(arch),
    ...allowed.flatMap(({ name, number }): readonly Instruction[] => {
      const verdict = OF_PROGRAMS[name];
      return verdict === undefined ? on(number, ALLOW) : [[EQUAL, 0, verdict.length, number], ...verdict];
    }),
    give(fail(ENOSYS)),
  ]);
}

/** The same in the form that Docker, Podman and Kubernetes read (`opencontainers/runtime-spec`, config-linux.md, "Seccomp"). */
export function hostProfile(): object {
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ENOSYS,
    archMap: [
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: [] },
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: [] },
    ],
    syscalls: [{ names: Object.keys(HOST).sort(), action: 'SCMP_ACT_ALLOW' }],
  };
}

function assembled(instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * 8);
  for (const [i, [code, ifTrue, ifFalse, operand]] of instructions.entries()) {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(ifTrue, i * 8 + 2);
    bytes.writeUInt8(ifFalse, i * 8 + 3);
    bytes.writeUInt32LE(operand, i * 8 + 4);
  }
  return bytes;
}

/** Name of a system call by its number; the number itself if the filter does not know it. */
export function callName(number: number, arch: string): string {
  if (!isFiltered(arch)) return `number ${number}`;
  const known = [...numbersOf(FORBIDDEN, arch), ...numbersOf(ALLOWED, arch)].find((one) => one.number === number);
  return known?.name ?? `number ${number}`;
}
