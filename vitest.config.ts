import { defineConfig } from 'vitest/config';

/** Our packages run as they do in production, by Node's own type stripping; only the tests themselves go through Vite. */
const server = { deps: { external: [/\/packages\/[^/]+\/src\/(?!.*\.test\.ts)/, /\/examples\//] } };

export default defineConfig({
  test: {
    projects: [
      // isolated-vm needs the flag.
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts'],
          server,
          globalSetup: 'test/setup.ts',
          pool: 'forks',
          execArgv: ['--no-node-snapshot'],
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          server,
          globalSetup: 'test/setup.ts',
          // Real processes on real cores: a test that measures nothing must not fail because the machine is busy.
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
