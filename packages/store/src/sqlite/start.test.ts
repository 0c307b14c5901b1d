/** The modules that a thread of a store loads before it can answer. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

// Each host and each command on a folder starts two threads, and zod would be half of what one costs.
test('a thread of a store loads no schemas', () => {
  const program = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    // Outside of a thread it has nothing to serve, and says so once everything that it imports is loaded.
    await import(${JSON.stringify(new URL('thread.ts', import.meta.url).href)}).catch(() => undefined);
    process.stdout.write(JSON.stringify(loaded));
  `;
  const loaded = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })) as string[];
  expect(loaded.filter((url) => url.endsWith('/store/src/sqlite/core.ts'))).toHaveLength(1);
  expect(loaded.filter((url) => url.includes('/node_modules/'))).toEqual([]);
});
