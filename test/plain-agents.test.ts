/**
 * Agents that tests deploy are typed files of test/agents. None of more than a few lines stands as text, because text is neither checked nor
 * formatted, and a hostile agent in it does not say what it would gain. Configurations and authors' tests are texts: a test writes each into
 * a folder of its own, and changes it there.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';

/** Characters of a text that is an agent of a few lines at most. */
const LONGEST = 300;
const ROOT = join(import.meta.dirname, '..');
const TEMPLATE = /`(?:[^`\\]|\\.)*`/g;
const AGENT = /defineAgent|defineService|\bcaps\.|\bcorral\.effect|\brun(?:\(|:)/;
/** A configuration, or a file of tests of an author. */
const CONFIGURATION = /defineConfig|\btool\(\{|from 'node:test'/;

const textsIn = (source: string): readonly string[] =>
  (source.match(TEMPLATE) ?? []).filter((text) => text.length > LONGEST + 2 && AGENT.test(text) && !CONFIGURATION.test(text));

function testFiles(): string[] {
  const inTests = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/^(agents|bench|node_modules)\/|^plain-agents/.test(name))
    .map((name) => join(ROOT, 'test', name));
  const inPackages = readdirSync(join(ROOT, 'packages'))
    // A package may hold files of others only.
    .filter((name) => existsSync(join(ROOT, 'packages', name, 'src')))
    .flatMap((name) =>
      readdirSync(join(ROOT, 'packages', name, 'src'), { recursive: true, encoding: 'utf8' }).map((file) =>
        join(ROOT, 'packages', name, 'src', file),
      ),
    )
    .filter((file) => file.endsWith('.test.ts'));
  return [...inTests, ...inPackages];
}

test('no test has a long agent as text', () => {
  const found = testFiles().flatMap((file) =>
    textsIn(readFileSync(file, 'utf8')).map((text) => `${relative(ROOT, file)}: ${text.slice(0, 80)}`),
  );
  expect(found, 'write it to a file of test/agents, and name it by agentFile()').toEqual([]);
});

test('a long agent in a text is found, and a configuration is not taken for one', () => {
  const long = 'x'.repeat(LONGEST);
  expect(textsIn(`deploy(\`{ name: 'a', run: ({ caps }) => caps.read({ path: '${long}' }) }\`)`)).toHaveLength(1);
  expect(textsIn(`host(\`tool({ name: 'a', description: '${long}', run: () => 1 })\`)`)).toEqual([]);
});
