/** For esbuild: small stand-ins for what the part `url` imports and hardly ever uses, tables of Unicode and of legacy encodings. */
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';

const STANDS_IN: Readonly<Record<string, string>> = {
  tr46: './parts/hosts.ts',
  '@exodus/bytes/whatwg.js': './parts/percent-encode.ts',
};
const NAMESPACE = 'nothing';

export const urlTables: Plugin = {
  name: 'url-tables',
  setup(build) {
    build.onResolve({ filter: /^(?:tr46|@exodus\/bytes\/whatwg\.js)$/ }, ({ path }) => ({
      path: fileURLToPath(new URL(STANDS_IN[path] as string, import.meta.url)),
    }));
    // Imported for its effect, which is to know the legacy encodings.
    build.onResolve({ filter: /^@exodus\/bytes\/encoding\.js$/ }, ({ path }) => ({ path, namespace: NAMESPACE }));
    build.onLoad({ filter: /.*/, namespace: NAMESPACE }, () => ({ contents: '' }));
  },
};
