import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Our packages run as they do in production, by Node's own type stripping; only the tests themselves go through Vite. */
export const server = { deps: { external: [/\/packages\/[^/]+\/src\/(?!.*\.test\.ts)/, /\/examples\//] } };

/** A test of a host waits about half of its time, so there are twice as many files at a time as there are cores, and one more. */
const maxWorkers = Number(process.env['CORRAL_TEST_WORKERS']) || 2 * availableParallelism() + 1;

/** Files that are long by nature: `npm run test:long` has them, by vitest.long.config.ts. */
const LONG = ['**/node_modules/**', '**/*.long.test.ts'];

/**
 * Tests that are long by nature and share their file's parts with shorter ones: `{ tags: 'long' }`. `npm test` leaves them out by
 * `--tags-filter`, and `npm run test:long` runs them by this configuration.
 */
const tags = [{ name: 'long', description: 'long by nature, and what it holds has a shorter test as well' }];

/**
 * V8 begins with a megabyte for new objects and collects garbage dozens of times until a host is up. With sixteen from the start, a test
 * takes a tenth less of the CPU; nothing else changes.
 */
const HEAP = ['--min-semi-space-size=16'];

/**
 * V8 collects with four threads, and waits for them. Where there are more test files at once than cores, that takes a fifth more of the CPU
 * time of a host's start. Not for tests with isolates in their own process: cells have these threads.
 */
const ONE_COLLECTOR = '--single-threaded-gc';

// `isolate: false`: a process takes several files, one after the other, so that most find the modules of a host loaded and compiled already. That
// is a third less CPU time for unit tests and for test/api, and a quarter less for all. A test leaves nothing behind in its process: no host, no
// variable of the environment, no changed intrinsic.

export default defineConfig({
  test: {
    maxWorkers,
    tags,
    projects: [
      // isolated-vm needs the flag.
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts'],
          exclude: LONG,
          tags,
          server,
          globalSetup: 'test/setup.ts',
          pool: 'forks',
          isolate: false,
          execArgv: ['--no-node-snapshot', ...HEAP],
          // Not how fast they are, but that they end: a busy machine takes long for a property of many cases.
          testTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          exclude: LONG,
          tags,
          server,
          globalSetup: 'test/setup.ts',
          execArgv: [...HEAP, ONE_COLLECTOR],
          // Real processes on a busy machine: a test measures no time, and must not fail for the want of it.
          testTimeout: 300_000,
          hookTimeout: 180_000,
          isolate: false,
        },
      },
    ],
  },
});
