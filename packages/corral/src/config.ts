/** Imported by `corral.config.ts`: `import { defineConfig, tool } from 'corral/config'`. */
export * from '@corral/server/config';
