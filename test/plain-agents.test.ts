/**
 * Agents that tests deploy are typed files of test/agents. Those of more than a few lines that still stand as text are counted here, and may
 * only become fewer: text is neither checked nor formatted, and a hostile agent in it does not say what it would gain.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';

/** Characters of a text that is an agent of a few lines at most. */
const LONGEST = 300;
/** How many longer ones each file still has. */
const LEFT: Readonly<Record<string, number>> = {
  'test/api/approvals.test.ts': 3,
  'test/api/authority.test.ts': 1,
  'test/api/budgets.test.ts': 1,
  'test/api/config.test.ts': 1,
  'test/api/governance.test.ts': 2,
  'test/api/profiles.test.ts': 1,
  'test/api/readiness.test.ts': 1,
  'test/api/record.test.ts': 1,
  'test/api/secrets.test.ts': 2,
  'test/api/services.test.ts': 1,
  'test/api/tools.test.ts': 1,
  'test/e2e/chaos/race.ts': 2,
  'test/e2e/cli.test.ts': 1,
  'test/e2e/governing.test.ts': 1,
  'test/e2e/lines.test.ts': 1,
  'test/e2e/policies.test.ts': 1,
  'test/e2e/spend.test.ts': 1,
  'test/e2e/travel.test.ts': 1,
  'test/integration/agent-breakers.test.ts': 3,
  'test/integration/budgets.test.ts': 3,
  'test/integration/bus.test.ts': 2,
  'test/integration/given-up.test.ts': 1,
  'test/integration/governing.test.ts': 1,
  'test/integration/loops.test.ts': 2,
  'test/integration/races.test.ts': 1,
  'test/integration/requests.test.ts': 1,
  'test/integration/resolution.test.ts': 1,
  'test/integration/runaway.test.ts': 1,
  'test/integration/services.test.ts': 3,
  'test/integration/slices-stopped.test.ts': 2,
};

const ROOT = join(import.meta.dirname, '..');
const TEMPLATE = /`(?:[^`\\]|\\.)*`/g;
const AGENT = /defineAgent|defineService|\bcaps\.|\bcorral\.effect|\brun(?:\(|:)/;

const textsIn = (source: string): number =>
  (source.match(TEMPLATE) ?? []).filter((text) => text.length > LONGEST + 2 && AGENT.test(text)).length;

function testFiles(): string[] {
  const inTests = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/^(agents|bench|node_modules)\/|^plain-agents/.test(name))
    .map((name) => join(ROOT, 'test', name));
  const inPackages = readdirSync(join(ROOT, 'packages'))
    .flatMap((name) =>
      readdirSync(join(ROOT, 'packages', name, 'src'), { recursive: true, encoding: 'utf8' }).map((file) =>
        join(ROOT, 'packages', name, 'src', file),
      ),
    )
    .filter((file) => file.endsWith('.test.ts'));
  return [...inTests, ...inPackages];
}

test('no test has more long agents as text than are listed here, and the list has no more than there are', () => {
  const found = testFiles().flatMap((file) => {
    const count = textsIn(readFileSync(file, 'utf8'));
    return count === 0 ? [] : [[relative(ROOT, file), count] as const];
  });
  expect(Object.fromEntries(found)).toEqual(LEFT);
});

test('a long agent in a text is found', () => {
  const agent = `{ name: 'a', run: ({ caps }) => caps.read({ path: '${'x'.repeat(LONGEST)}' }) }`;
  expect(textsIn(`deploy(\`${agent}\`)`)).toBe(1);
});
