/** `corral doctor`: which walls this machine has, and what is missing for the others. */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { styleText } from 'node:util';
import { runsOn } from 'create-corral/init';
import type { LoadedConfig } from '@corral/server/config/load';
import { encodeFrame, FrameKind } from '@corral/protocol/wire/frame';
import {
  findGroups,
  findWalls,
  layersOf,
  leavePlace,
  osWall,
  ProcessLauncher,
  readImage,
  realClock,
  runsAsRoot,
  type Walls,
} from '@corral/supervisor';
import { CELL_MAIN } from '@corral/supervisor/host/walls';
import { soundness } from '../advisories.ts';
import { configHere } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { table } from '../screen/table.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Off, since a stronger wall stands: no fault. */
  readonly unneeded?: boolean;
  readonly says: string;
}

export interface DoctorOptions {
  readonly json?: boolean;
  readonly config?: string;
  /** Anything that is marked as missing or unsound decides the exit code, too. */
  readonly strict?: boolean;
}

export async function doctor({ json = false, config, strict = false }: DoctorOptions): Promise<number> {
  const walls = findWalls();
  const wall = osWall(walls);
  const place = findGroups();
  leavePlace(place);
  const layers = layersOf(walls, place);
  const checks: Check[] = [
    { name: 'Node', ok: runsOn(process.version), says: nodeText() },
    image(),
    await cell(),
    { name: 'published flaws: Node', ...soundness('Node', process.version, isBrought()) },
    { name: 'published flaws: isolated-vm', ...soundness('isolated-vm', isolatedVm()) },
    ...layers.map(({ name, state, says }) => ({
      name: `wall: ${name}`,
      ok: state === 'on',
      ...(state === 'off' ? { unneeded: true } : {}),
      says: state === 'on' ? says : `${state}: ${says}`,
    })),
    ...(await configured(() => configHere(config))),
  ];
  const verdict =
    wall === undefined
      ? 'one wall: only the isolate stands between an agent and this machine'
      : `two walls: the isolate, then ${wall === 'user' ? weaker(walls) : 'bubblewrap'}`;
  const works = checks.slice(0, 3).every((check) => check.ok);
  const faults = checks.filter(({ ok, unneeded }) => !ok && unneeded !== true);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ ok: works, faults: faults.map(({ name }) => name), wall: wall ?? null, cores: availableParallelism(), layers, checks }, null, 2)}\n`,
    );
  else {
    const rows = checks.map(({ name, ok, unneeded, says }) => [ok ? '✓' : unneeded === true ? '–' : '✗', name, says]);
    const lines = table([{ title: '' }, { title: 'CHECK' }, { title: '' }], rows);
    process.stdout.write(`${lines.join('\n')}\n\n${styleText(wall === undefined ? 'yellow' : 'green', verdict)}\n`);
    if (works && faults.length > 0) process.stdout.write(`${styleText('yellow', faultsText(faults.length, strict))}\n`);
  }
  if (!works) return EXIT.host;
  return strict && faults.length > 0 ? EXIT.outcome : EXIT.ok;
}

/** Says what the exit code does not. */
const faultsText = (many: number, strict: boolean): string =>
  `agents run here; ${many} ${many === 1 ? 'line is' : 'lines are'} marked ✗${strict ? '' : ' (exit code 0; with --strict it is 1)'}`;

/** The wall of another user, with what that user may still reach. */
function weaker({ user }: Walls): string {
  return 'id' in user && user.unshare === undefined ? 'another user, which is weak: cells can reach the network' : 'another user';
}

/**
 * The guards, the telemetry, the MCP servers and the Redis for wake-ups of the configuration here. None of it decides whether this machine works: a
 * host goes on without a Redis, and to be without policies is a choice.
 */
async function configured(find: () => string | undefined): Promise<Check[]> {
  const { loadConfig } = await import('@corral/server/config/load');
  const { guardLines, guardsOf } = await import('@corral/server/config/guards');
  const checks: Check[] = [];
  const look = async (name: string, of: () => Promise<void>) => {
    await of().catch((error: unknown) => checks.push({ name, ok: false, says: error instanceof Error ? error.message : String(error) }));
  };
  await look('configuration', async () => {
    const loaded = await loadConfig(find(), process.env, { withoutPolicies: true });
    try {
      checks.push(...guardLines(guardsOf(loaded.config)).map(({ text, bare }) => ({ name: 'guards', ok: !bare, says: text })));
      const { telemetryLine } = await import('@corral/server/config/telemetry');
      checks.push({ name: 'telemetry', ok: true, says: telemetryLine(loaded.config) });
      await look('MCP servers', async () => void checks.push(...(await rootPrograms(loaded))));
      await look('Redis for wake-ups', async () => {
        const { lookAtRedis } = await import('@corral/server/jobs/hints');
        const found = await lookAtRedis(loaded, process.env);
        if (found === undefined) return;
        const { at, error } = found;
        const says = error === undefined ? `${at} takes hints` : `${error.message} ${error.hint}`;
        checks.push({ name: 'Redis for wake-ups', ok: error === undefined, says });
      });
    } finally {
      await loaded.close(0);
    }
  });
  return checks;
}

/** The programs of MCP servers that run as root within their walls, because of the folders that they write to. */
async function rootPrograms({ config, file }: LoadedConfig): Promise<Check[]> {
  if (Object.keys(config.mcp).length === 0) return [];
  const { programsOf } = await import('@corral/server/config/mcp');
  const walls = findWalls();
  const programs = programsOf(config.mcp, file === undefined ? process.cwd() : dirname(resolve(file)));
  return programs
    .filter(([, spec]) => runsAsRoot(walls, spec, process.env['PATH'] ?? ''))
    .map(([name]) => ({
      name: `MCP server ${name}`,
      ok: false,
      says: 'runs as root within its wall; give the folders that it writes to to another user, who can read its other folders too, and it runs as that user',
    }));
}

/** Where npm brought the Node, it is that of @corral/node and not the machine's. */
const isBrought = () => /[\\/]node_modules[\\/]/.test(process.execPath);
const nodeText = () => `${process.version}${isBrought() ? ', which @corral/node brings' : ''}`;

/** The version that cells load. */
function isolatedVm(): string {
  try {
    const from = createRequire(CELL_MAIN);
    return (from('isolated-vm/package.json') as { version: string }).version;
  } catch {
    return 'unknown';
  }
}

function image(): Check {
  try {
    return { name: 'sandbox image', ok: true, says: readImage().slice(0, 19) };
  } catch (error) {
    return { name: 'sandbox image', ok: false, says: error instanceof Error ? error.message : String(error) };
  }
}

/** Starts a cell as a run would, and waits for its greeting. */
function cell(): Promise<Check> {
  const began = performance.now();
  return new Promise((resolve) => {
    const say = (ok: boolean, says: string) => {
      stop?.();
      resolve({ name: 'a cell starts', ok, says });
    };
    let stop: (() => void) | undefined;
    // The first byte is the greeting: a cell sends nothing else before it is asked.
    const started = new ProcessLauncher(findWalls()).launch({
      onBytes: () => {
        say(true, `in ${Math.round(performance.now() - began)} ms`);
        started.kill();
      },
      onExit: ({ lastWords, code }) => say(false, lastWords.trim().split('\n').at(-1) ?? `exit code ${code}`),
    });
    started.write(
      encodeFrame(
        { kind: FrameKind.hello, incarnation: 1, assignment: 0, crank: 0, cpu_us: 0, heap_kib: 0 },
        JSON.stringify({ effects_per_crank: 1, effects_bytes: 1 }),
      ),
    );
    stop = realClock.after(10_000, () => {
      say(false, 'it did not answer within 10 s');
      started.kill();
    });
  });
}
