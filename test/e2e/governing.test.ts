/** Policies about messages and child runs, and configurations for runs that go on here, through the real command line. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { corral, folder } from '../command.ts';
import { agentFile } from '../agents/file.ts';

const PAIR = agentFile('family/asks-for-seven');
const FREE = '@id("free") permit (principal, action, resource);\n';

test(
  'a child run is explained by the policies, and shadow and backtest say what a candidate would make of it',
  { tags: 'long' },
  async () => {
    const f = await folder();
    const root = dirname(f.data);
    const [policy, candidate, config] = [join(root, 'now.cedar'), join(root, 'next.cedar'), join(root, 'c.json')];
    await writeFile(policy, FREE);
    await writeFile(
      candidate,
      `${FREE}@id("few-calls") forbid (principal, action == Action::"spawn", resource == Agent::"kid") when { context.given.budget.calls > 4 };`,
    );
    await writeFile(config, JSON.stringify({ policies: [policy] }));
    const { run } = await f.json<{ run: string }>('run', PAIR.file, '--policy', policy);
    const why = await f.on('policy', 'why', run, '1', '--config', config);
    expect(why.out).toMatch(/spawn 1 to kid, recorded as allow; these policies say allow[\s\S]*free permits/);
    const against = await f.on('policy', 'why', run, '1', candidate, '--config', config);
    expect(against.out).toMatch(/say deny[\s\S]*few-calls forbids/);
    for (const verb of ['shadow', 'backtest']) {
      const { out } = await f.on('policy', verb, candidate, '--config', config);
      expect(out).toMatch(/1 of 1 decisions would differ[\s\S]*spawn[\s\S]*allow → deny \(few-calls, free\)/);
    }
    // The owner of the run counts as on a host, though the candidate is not what the configuration names.
    await writeFile(config, JSON.stringify({ policies: { files: [policy], roles: { local: ['lead'] } } }));
    await writeFile(
      candidate,
      `${FREE}@id("few-calls") forbid (principal, action == Action::"spawn", resource) when { context.given.budget.calls > 4 } unless { context.person in Role::"lead" };`,
    );
    for (const verb of ['shadow', 'backtest'])
      expect((await f.on('policy', verb, candidate, '--config', config)).out).toMatch(/^0 of 1 decisions would differ/);
    await writeFile(config, JSON.stringify({ policies: [policy] }));
    const cases = join(root, 'cases.json');
    await writeFile(
      cases,
      JSON.stringify([
        {
          name: 'a large purse is refused',
          action: 'spawn:kid',
          given: { budget: { calls: 5 } },
          expect: { decision: 'deny', reasons: ['few-calls'] },
        },
      ]),
    );
    expect((await corral(['policy', 'test', cases, candidate, '--config', config])).out).toMatch(/1 of 1 cases passed/);
    await writeFile(candidate, `${FREE}@id("ask") @consequence("approval") forbid (principal, action == Action::"spawn", resource);`);
    const checked = await corral(['policy', 'check', candidate, '--config', config]);
    expect([checked.code, checked.out]).toEqual([
      0,
      expect.stringMatching(/next\.cedar:2.*Nobody is asked about messages and child runs/s),
    ]);
  },
);

test('a fork goes on with the tools and under the policies of a configuration', { tags: 'long' }, async () => {
  const f = await folder();
  const root = dirname(f.data);
  const out = join(root, 'out');
  await mkdir(out);
  const file = await f.file(
    'writer.ts',
    `{ name: 'writer', uses: { write: 'tool:fs.write' }, run: ({ caps }) => caps.write({ path: 'x', text: 'y' }).then(() => 'written', (error) => error.code) }`,
  );
  const { run } = await f.json<{ run: string }>('run', file, '--write', out);
  await writeFile(join(root, 'no.cedar'), `${FREE}@id("no") forbid (principal, action == Action::"tool:fs.write", resource);`);
  await writeFile(join(root, 'c.json'), JSON.stringify({ files: { write: out }, policies: ['no.cedar'], tenants: { local: {} } }));
  const forked = await f.on('fork', run, '--at', '1', '--config', join(root, 'c.json'));
  expect(forked.out).toMatch(/completed.*CORRAL_DENIED/);
  const free = await f.on('fork', run, '--at', '1', '--write', out);
  expect(free.out).toMatch(/completed.*written/);
});
