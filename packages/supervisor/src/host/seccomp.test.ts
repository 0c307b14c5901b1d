/** The filter of system calls as a program: its numbers, and what it decides. test/escape has the kernel run it. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { HOST_ALSO } from './host-syscalls.ts';
import { callName, hostFilter, hostProfile, isFiltered, seccompFilter, type Arch } from './seccomp.ts';
import { ALLOWED, FORBIDDEN } from './syscalls.ts';

const AUDIT = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const;
const LIBSECCOMP = { x64: 'x86_64', arm64: 'aarch64' } as const;
const TABLE = { ...ALLOWED, ...FORBIDDEN };
type Name = keyof typeof TABLE;
const [KILL, ALLOW, ERRNO] = ['kill', 'allow', 'errno'];

/** Runs the program on a call, by the rules of classic BPF (Documentation/networking/filter.rst of the kernel). */
function verdict(
  arch: Arch,
  number: number,
  args: readonly number[] = [],
  auditArch: number = AUDIT[arch],
  filter = seccompFilter,
): string {
  const program = filter(arch);
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(auditArch, 4);
  args.forEach((value, i) => data.writeBigUInt64LE(BigInt(value), 16 + 8 * i));
  let a = 0;
  for (let at = 0; ; at++) {
    const code = program.readUInt16LE(at * 8);
    const k = program.readUInt32LE(at * 8 + 4);
    const jump = (holds: boolean) => (at += program.readUInt8(at * 8 + (holds ? 2 : 3)));
    if (code === 0x20) a = data.readUInt32LE(k);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x15) jump(a === k);
    else if (code === 0x35) jump(a >= k);
    else if (code === 0x45) jump((a & k) !== 0);
    else if (code === 0x06) return k === 0x8000_0000 ? 'kill' : k === 0x7fff_0000 ? 'allow' : `errno ${k & 0xffff}`;
    else throw new Error(`an operation ${code}`);
  }
}

const numberOf = (arch: Arch, name: Name) => TABLE[name][arch === 'x64' ? 0 : 1];

describe.each(['x64', 'arm64'] as const)('the filter of system calls on %s', (arch) => {
  const of = (name: Name, ...args: number[]) => verdict(arch, numberOf(arch, name) ?? -1, args);

  test.each((Object.keys(FORBIDDEN) as Name[]).filter((name) => numberOf(arch, name) !== undefined))('ends the process at %s', (name) => {
    expect(of(name)).toBe(KILL);
  });

  test('lets a process compute, start threads and read', () => {
    expect(of('read')).toBe(ALLOW);
    expect(of('futex')).toBe(ALLOW);
    expect(of('execve')).toBe(ALLOW);
    // The C library starts a thread with these flags.
    expect(of('clone', 0x3d_0f00)).toBe(ALLOW);
    // Private memory, and files that are mapped shared.
    expect(of('mmap', 0, 4096, 3, 0x22)).toBe(ALLOW);
    expect(of('mmap', 0, 4096, 1, 0x01)).toBe(ALLOW);
    expect(of('madvise', 0, 4096, 4)).toBe(ALLOW);
    expect(of('ioctl', 3, 0x5421)).toBe(ALLOW);
  });

  test('ends the process that starts another one, or takes memory that it need not keep mapped', () => {
    // fork() of the C library, and vfork.
    expect(of('clone', 0x0120_0011)).toBe(KILL);
    expect(of('clone', 0x4111)).toBe(KILL);
    expect(of('mmap', 0, 4096, 3, 0x21)).toBe(KILL);
  });

  test('refuses what a newer C library may try, and what a cell can do without', () => {
    // clone3, and io_uring_setup, io_uring_enter, io_uring_register: the same numbers on every architecture.
    for (const number of [435, 425, 426, 427, 451, 999]) expect(verdict(arch, number)).toBe(`${ERRNO} 38`);
    expect(of('madvise', 0, 4096, 21)).toBe(`${ERRNO} 22`);
    expect(of('fcntl', 5, 1031, 1 << 20)).toBe(`${ERRNO} 1`);
    expect(of('prctl', 1, 0)).toBe(`${ERRNO} 1`);
    // TIOCSTI
    expect(of('ioctl', 0, 0x5412)).toBe(`${ERRNO} 25`);
  });

  test('ends the process that calls by the table of another architecture', () => {
    expect(verdict(arch, numberOf(arch, 'read') as number, [], AUDIT[arch === 'x64' ? 'arm64' : 'x64'])).toBe(KILL);
    // i386
    expect(verdict(arch, 3, [], 0x4000_0003)).toBe(KILL);
    // read of the x32 table of x86-64; other architectures have no such number.
    expect(verdict(arch, 0x4000_0000)).toBe(arch === 'x64' ? KILL : `${ERRNO} 38`);
  });

  test('names a call by its number', () => {
    expect(callName(numberOf(arch, 'socket') as number, arch)).toBe('socket');
    expect(callName(numberOf(arch, 'clone') as number, arch)).toBe('clone');
    expect(callName(9_999, arch)).toBe('number 9999');
  });
});

describe.each(['x64', 'arm64'] as const)('the profile of a host on %s', (arch) => {
  const { syscalls } = hostProfile() as { readonly syscalls: readonly { readonly names: readonly string[] }[] };
  const allowed = new Set(syscalls.flatMap(({ names }) => names));
  const all = Object.entries<readonly [number, number | undefined]>({ ...TABLE, ...HOST_ALSO });

  test('decides the same as JSON for an engine and as a filter', () => {
    const numbered = all.flatMap(([name, numbers]) => {
      const number = numbers[arch === 'x64' ? 0 : 1];
      return number === undefined ? [] : [{ name, number }];
    });
    const verdicts = numbered.map(({ name, number }) => [name, verdict(arch, number, [], AUDIT[arch], hostFilter)]);
    expect(verdicts).toEqual(numbered.map(({ name }) => [name, allowed.has(name) ? ALLOW : `${ERRNO} 38`]));
    expect(verdict(arch, 999, [], AUDIT[arch], hostFilter)).toBe(`${ERRNO} 38`);
    expect(verdict(arch, 0, [], 0x4000_0003, hostFilter)).toBe(KILL);
  });

  test('lets bubblewrap make namespaces, and nobody load modules, trace others or read keys', () => {
    for (const name of ['unshare', 'mount', 'pivot_root', 'clone', 'seccomp', 'socket', 'execve']) expect(allowed).toContain(name);
    for (const name of [
      'init_module',
      'kexec_load',
      'bpf',
      'ptrace',
      'process_vm_readv',
      'keyctl',
      'userfaultfd',
      'open_by_handle_at',
      'setns',
      'reboot',
    ])
      expect(allowed).not.toContain(name);
  });
});

test('there is a filter for x86-64 and arm64, and no other architecture', () => {
  expect(['x64', 'arm64', 'riscv64', 'ia32'].map((arch) => isFiltered(arch))).toEqual([true, true, false, false]);
});

const resolves = spawnSync('scmp_sys_resolver', ['-a', 'x86_64', 'read']).status === 0;
// A process for each of some hundred names, on a machine that may be busy.
test.skipIf(!resolves)('its numbers are those of libseccomp (skipped where scmp_sys_resolver of the package `seccomp` is missing)', () => {
  for (const [name, [x64, arm64]] of Object.entries({ ...TABLE, ...HOST_ALSO })) {
    for (const [arch, number] of [
      ['x64', x64],
      ['arm64', arm64],
    ] as const) {
      const said = Number(spawnSync('scmp_sys_resolver', ['-a', LIBSECCOMP[arch], name], { encoding: 'utf8' }).stdout);
      expect([name, arch, said < 0 ? undefined : said]).toEqual([name, arch, number]);
    }
  }
});
