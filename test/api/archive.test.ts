/** Everything that was in force can be read: configurations and the texts of policies, with who put them there and why. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { corral } from '../command.ts';
import { front, shortFolder } from '../front.ts';

const FREE = '@id("free") permit (principal, action, resource);\n';
const STRICT = `${FREE}@id("no-writes") forbid (principal, action == Action::"tool:fs.write", resource);\n`;
const WRITER = `{ name: 'writer', uses: { write: 'tool:fs.write' }, run: ({ caps }) => caps.write({ path: 'a', text: 'x' }).then(() => 'written', (error) => error.code) }`;

test('a decision’s policies are read by the version it names, whatever the file says now', async () => {
  const folder = await shortFolder();
  const config = join(folder, 'corral.config.json');
  const policies = join(folder, 'p.cedar');
  const data = join(folder, 'd');
  const output = await mkdtemp(join(tmpdir(), 'crl-'));
  onTestFinished(() => rm(output, { recursive: true, force: true }));
  await writeFile(policies, STRICT);
  await writeFile(
    config,
    JSON.stringify({ tenants: { own: { policies: ['p.cedar'] }, other: { policies: 'none' } }, files: { write: output } }),
  );
  const { admin, as, deploy, host } = await front({ data, config });
  await deploy(WRITER, { tenant: 'own' });
  const { run } = await admin.submitRun({ body: { agent: 'writer', tenant: 'own' } });
  const { outcome } = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(outcome).toMatchObject({ output: 'CORRAL_DENIED' });
  const [decision] = (await admin.whyRun({ params: { run } })).decisions;
  const version = decision?.policy ?? '';
  await writeFile(policies, FREE);
  const applied = await admin.applyConfig({ query: { reason: 'they may write' } });

  const auditor = await as('own', 'auditor');
  const shown = await auditor.showPolicies({ params: { version } });
  expect(shown).toMatchObject({
    version,
    files: [{ file: 'p.cedar', text: STRICT }],
    rules: [
      { rule: 'free', effect: 'permit' },
      { rule: 'no-writes', effect: 'forbid', consequence: null },
    ],
    moves: [{ tenant: 'own', reason: 'the host starts with it' }],
  });
  expect((await auditor.showPolicies({ params: { version: version.slice(0, 19) } })).files).toEqual(shown.files);
  expect((await auditor.listPolicies({})).items).toMatchObject([
    { tenant: 'own', reason: 'they may write', config: applied.version },
    { tenant: 'own', version },
  ]);
  const stranger = await as('other', 'auditor');
  await expect(stranger.showPolicies({ params: { version } })).rejects.toMatchObject({ code: 'CORRAL_VERSION_UNKNOWN' });
  expect((await stranger.listPolicies({})).items).toEqual([]);
  await expect(stranger.listConfigs({})).rejects.toMatchObject({
    code: 'CORRAL_FORBIDDEN',
    message: /^token:\S+ may not .* here: that takes the role .+, and it is [a-z]+ of \S+\.$/,
  });

  const [now, then] = (await admin.listConfigs({})).items;
  expect([now, then]).toMatchObject([{ version: applied.version, reason: 'they may write' }, { reason: 'the host starts with it' }]);
  expect(await admin.configThen({ params: { version: then?.version ?? '' } })).toMatchObject({
    config: { policy_versions: { own: version } },
  });
  await host.close();

  // The file here says something else by now, so what decided is taken from the archive.
  const why = await corral(['policy', 'why', run, String(decision?.crank), '--config', config, '--data', data]);
  expect(why.out).toContain('which made the decision; their texts were kept');
  expect(why.out).toContain('no-writes');
  const given = await corral(['policy', 'why', run, String(decision?.crank), policies, '--config', config, '--data', data]);
  expect(given.out).toContain('These are other policies than those that decided');
});

test('an auditor elsewhere can anchor a journal: each entry has its hash, and the log its head', async () => {
  const { admin, deploy, as } = await front();
  await deploy(`{ name: 'one', run: () => 1 }`);
  const { run } = await admin.submitRun({ body: { agent: 'one' } });
  await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  const auditor = await as('local', 'auditor');
  const { items, head } = await auditor.runJournal({ params: { run } });
  expect(items.every(({ hash }) => /^[0-9a-f]{64}$/.test(hash))).toBe(true);
  expect(head).toEqual({ seq: items.at(-1)?.seq, hash: items.at(-1)?.hash });
  const before = await auditor.logHead({});
  await admin.makeToken({ body: { name: 'ben', roles: ['auditor'] } });
  const after = await auditor.logHead({});
  expect(after.size).toBeGreaterThan(before.size);
  expect((await admin.verifyJournals({ body: { head: before } })).log).toMatchObject({ count: 0, hash: expect.any(String) as string });
  const forged = { size: before.size, hash: before.hash.replace(/^./, (c) => (c === '0' ? '1' : '0')) };
  expect((await admin.verifyJournals({ body: { head: forged } })).log.problems).toMatchObject([{ what: 'log' }]);
});
