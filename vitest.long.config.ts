/** The tests that are long by nature, `*.long.test.ts`: `npm run test:long` runs them, with whole simulations, chaos and a soak. */
import { defineConfig } from 'vitest/config';
import { server } from './vitest.config.ts';

export default defineConfig({
  test: {
    include: ['{packages/*/src,test}/**/*.long.test.ts'],
    server,
    globalSetup: 'test/setup.ts',
    pool: 'forks',
    execArgv: ['--no-node-snapshot'],
    // Not how fast they are, but that they end: one that takes four minutes alone takes more than ten beside others.
    testTimeout: 1_800_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    maxConcurrency: 2,
  },
});
