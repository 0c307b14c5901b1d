/**
 * Builds the console to `dist`: one page, its styles, and its scripts in parts, of which the page loads only those that a view needs. A host serves
 * these files itself, so nothing in them may name another place.
 */
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/** Browsers of the last two years: no older forms of anything are added. */
const TARGET = ['chrome123', 'firefox125', 'safari17.5'];

await build({
  root: fileURLToPath(new URL('.', import.meta.url)),
  configFile: false,
  base: '/console/',
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: TARGET,
    cssTarget: TARGET,
    emptyOutDir: true,
    // An address with `data:` is one more that a policy would have to allow.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
});
console.log('console dist/index.html');
