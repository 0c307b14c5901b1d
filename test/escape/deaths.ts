/**
 * `npm run escape -- --deaths N`: how long code in a cell's place lives after it has attempted what it may not. The process writes the time
 * of the machine's monotonic clock to its error output just before the attempt; the end is when the host hears that the process is dead. So
 * the figure has the host's own delay in it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PrincipalId, TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { CellLauncher, CellProcessEvents } from '@corral/protocol/ports/machine';
import { SqliteStore } from '@corral/store/sqlite';
import { findWalls, ProcessLauncher, readImage, realClock, realRandom, Supervisor } from '@corral/supervisor';
import { CellGroups } from '@corral/supervisor/host/cgroups';
import { findGroups } from '@corral/supervisor/host/group-place';
import { FORBIDDEN } from '@corral/supervisor/host/syscalls';
import { bundleSource } from '../bundles.ts';
import { takenOverCells } from './fixtures/taken-over.ts';

const TENANT = 'escape' as TenantId;
const MEMORY_MIB = 64;
const GROUP_MIB = 192;
/** Growth that the watch allows a crank. */
const WATCHED_MIB = MEMORY_MIB + MACHINE.cell_rss_slack_mib.default;
const column = process.arch === 'arm64' ? 1 : 0;

interface Attempt {
  readonly what: string;
  readonly input: object;
  readonly group?: true;
}
export interface Death {
  readonly attempt: string;
  readonly rounds: number;
  /** Milliseconds from the attempt until the host knew of the death; null where the process lived on, or gave no time. */
  readonly median_ms: number | null;
  readonly most_ms: number | null;
  readonly ended: readonly string[];
}

const call = (name: keyof typeof FORBIDDEN, ...args: number[]) => ({ way: 'call', stamp: true, number: FORBIDDEN[name][column], args });
const ATTEMPTS: readonly Attempt[] = [
  { what: 'opens a socket (AF_INET)', input: call('socket', 2, 1, 0) },
  { what: 'opens a socket (AF_VSOCK)', input: call('socket', 40, 1, 0) },
  { what: 'takes memory without a name (memfd_create)', input: call('memfd_create', 0, 0) },
  { what: 'traces (ptrace)', input: call('ptrace', 0) },
  { what: 'starts a process (clone)', input: { way: 'call', stamp: true, number: process.arch === 'arm64' ? 220 : 56, args: [17, 0] } },
  { what: 'passes its memory, seen by the watch', input: { way: 'memory', mib: 4_000, over_mib: WATCHED_MIB } },
  { what: 'passes the memory of its control group', input: { way: 'memory', mib: 4_000, over_mib: GROUP_MIB }, group: true },
];

/** Launches cells, which are taken over once that is asked for, and notes how long each lived after its attempt. */
function launcherOf(groups: CellGroups | undefined) {
  const walls = findWalls();
  const { commandOf, takeOver } = takenOverCells(walls);
  const lived_ms: number[] = [];
  const real = new ProcessLauncher(walls, { groups, commandOf });
  const launcher: CellLauncher = {
    launch: (events: CellProcessEvents) =>
      real.launch({
        ...events,
        onExit: (exit) => {
          const at = process.hrtime.bigint();
          const stamp = /attempt at (\d+)/u.exec(exit.lastWords)?.[1];
          if (stamp !== undefined) lived_ms.push(Number(at - BigInt(stamp)) / 1e6);
          events.onExit(exit);
        },
      }),
  };
  return { launcher, lived_ms, takeOver };
}

async function measured({ what, input, group }: Attempt, rounds: number, folder: string): Promise<Death> {
  const place = group === undefined ? undefined : findGroups();
  if (place !== undefined && 'missing' in place)
    return { attempt: what, rounds: 0, median_ms: null, most_ms: null, ended: [place.missing] };
  const groups = place && new CellGroups(place, { cell_memory_mib: GROUP_MIB, cores: 2 });
  const { launcher, lived_ms, takeOver } = launcherOf(groups);
  const store = await SqliteStore.open(await mkdtemp(join(folder, 'data-')));
  const supervisor = await Supervisor.start({
    store,
    launcher,
    clock: realClock,
    random: realRandom,
    image: readImage(),
    cores: 2,
    tenants: { [TENANT]: { tools: [] } },
    spares: 0,
    cellsPerTenant: 1,
    ...(groups === undefined ? {} : { cell_memory_mib: 8_192 }),
  });
  const ended = new Set<string>();
  try {
    const { source, describing } = await bundleSource(`{ name: 'a', async run({ input }) { return input } }`, join(folder, 'agent.ts'));
    const manifests = await supervisor.describe([describing], TENANT);
    const version = (await supervisor.deploy(TENANT, source, manifests[0]))[0] as AgentVersion;
    takeOver();
    const ceilings = { memory_mib: groups === undefined ? MEMORY_MIB : 1_024, crank_cpu_ms: 10_000 };
    for (let round = 0; round < rounds; round++) {
      const run = await supervisor.submit({ tenant: TENANT, version, input, principal: 'escape' as PrincipalId, ceilings });
      ended.add(outcomeText(await run.ended));
    }
  } finally {
    await supervisor.close();
  }
  const sorted = lived_ms.toSorted((a, b) => a - b);
  const rounded = (ms: number | undefined) => (ms === undefined ? null : Math.round(ms * 10) / 10);
  return {
    attempt: what,
    rounds: sorted.length,
    median_ms: rounded(sorted[Math.floor(sorted.length / 2)]),
    most_ms: rounded(sorted.at(-1)),
    ended: [...ended],
  };
}

/** @param rounds how often each attempt is made */
export async function deaths(rounds: number, told: (death: Death) => void): Promise<Death[]> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-deaths-'));
  const all: Death[] = [];
  try {
    for (const attempt of ATTEMPTS) {
      const death = await measured(attempt, rounds, folder);
      all.push(death);
      told(death);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return all;
}
