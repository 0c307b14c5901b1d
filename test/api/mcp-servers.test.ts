/** Three servers of the npm registry, as their makers publish them, behind the wall of a host. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { front } from '../front.ts';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));
const published = (name: string) => join(MODULES, '@modelcontextprotocol', `server-${name}`, 'dist/index.js');

test('the servers everything, filesystem and memory offer their tools, and keep to their folders', { tags: 'long' }, async () => {
  const work = await mkdtemp(join(tmpdir(), 'crl-mcp-'));
  await writeFile(join(work, 'hello.txt'), 'hello');
  const program = (name: string, ...args: string[]) => ({
    command: 'node',
    args: [published(name), ...args],
    folders: { [MODULES]: 'read' },
  });
  const config = {
    policies: 'none',
    mcp: {
      everything: program('everything', 'stdio'),
      files: { ...program('filesystem', work), folders: { [MODULES]: 'read', [work]: 'write' } },
      memory: {
        ...program('memory'),
        env: { MEMORY_FILE_PATH: join(work, 'memory.json') },
        folders: { [MODULES]: 'read', [work]: 'write' },
      },
    },
  };
  const { admin, deploy } = await front({ configText: JSON.stringify(config) });
  await deploy(agentFile('mcp/published'));
  const { run } = await admin.submitRun({ body: { agent: 'published', input: work } });
  const { outcome } = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(outcome).toEqual({
    kind: 'completed',
    output: [expect.stringMatching(/5/), 'hello', 'Ana', expect.stringMatching(/Access denied/)],
  });
  expect(await readFile(join(work, 'new.txt'), 'utf8')).toBe('new');
  expect(await readFile(join(work, 'memory.json'), 'utf8')).toMatch(/likes tea/);
  await rm(work, { recursive: true, force: true });
});
