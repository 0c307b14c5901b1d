/** Measures what one command costs from the package that others install, in CPU time of its whole process. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { values, type Figure } from './measure.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The package as `npm run pack` writes it; its dependencies are those of this repository. */
const BIN = join(ROOT, 'dist/packages/corral/bin/corral.mjs');
const PASSES = 5;
const COMMANDS_A_PASS = 20;
const MS_A_SECOND = 1_000;
/** Fields of /proc/self/stat, counted after the name of the program: CPU time of children that were waited for. */
const [CHILDREN_USER, CHILDREN_SYSTEM] = [13, 14];

/** Milliseconds of CPU that all children have used that have ended. */
async function childrenCpu_ms(ticks: number): Promise<number> {
  const fields = (await readFile('/proc/self/stat', 'latin1')).split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[CHILDREN_USER]) + Number(fields[CHILDREN_SYSTEM])) * MS_A_SECOND) / ticks;
}

export async function commands(): Promise<Figure[]> {
  execFileSync(process.execPath, [join(ROOT, 'scripts/pack.ts')], { stdio: 'ignore' });
  const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const folder = await mkdtemp(join(tmpdir(), 'corral-bench-'));
  const { NODE_COMPILE_CACHE: _, ...own } = process.env;
  const env = { ...own, XDG_CACHE_HOME: join(folder, 'cache'), CORRAL_DATA: join(folder, 'data') };
  const host = spawn(process.execPath, [BIN, 'up', '--port', '0', '--json'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise<void>((resolve, reject) => {
    host.stdout.once('data', () => resolve());
    host.once('exit', (code) => reject(new Error(`corral up ended with ${code}.`)));
  });
  const cost = async (...args: string[]) => {
    const before = await childrenCpu_ms(ticks);
    for (let i = 0; i < COMMANDS_A_PASS; i++) {
      const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
    }
    return ((await childrenCpu_ms(ticks)) - before) / COMMANDS_A_PASS;
  };
  try {
    const figures: Figure[] = [];
    for (const args of [['--version'], ['ps'], ['--help']]) {
      // The first one compiles; its cache is kept.
      await cost(BIN, ...args);
      figures.push(
        await values(
          `commands ${args.join(' ')}`,
          'ms CPU',
          'less',
          PASSES,
          () => cost(BIN, ...args),
          () => cost('-e', '0'),
          'user and system time of the process; floor: node -e 0',
        ),
      );
    }
    return figures;
  } finally {
    const ended = new Promise((resolve) => host.once('exit', resolve));
    host.kill();
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}
