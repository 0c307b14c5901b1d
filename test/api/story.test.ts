/** The story of a run, told from its journal: by a host, by the command in a folder, and as much as the reader may see. */
import { expect, test } from 'vitest';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { agentFile } from '../agents/file.ts';
import { corral } from '../command.ts';
import { front, shortFolder } from '../front.ts';
import { found } from '../until.ts';

type Story = RouteAnswer<'storyRun'>;

const WRITER = agentFile('crew/reads-and-writes');
const told = ({ lines }: Story) => Object.fromEntries(lines.map(({ about, text }) => [about, text]));

test('says what a run was asked, read, did and was refused, who allowed it and how it ended, each with its entries', async () => {
  const [read, write] = [await shortFolder(), await shortFolder()];
  const { writeFile } = await import('node:fs/promises');
  await writeFile(`${read}/a.txt`, 'a');
  const made = await front({ configText: JSON.stringify({ policies: 'default', files: { read, write } }) });
  const { admin, deploy, as } = made;
  await deploy(WRITER);
  const { run } = await admin.submitRun({ body: { agent: 'writer', input: { path: 'b.txt' } } });
  const params = { run };
  const { call } = await found(async () => (await admin.listApprovals({ query: { run } })).items[0], 'the write waits for people');
  expect(told(await admin.storyRun({ params }))['ended']).toBe('It waits for approval of fs.write.');
  const approver = await as('local', 'approver');
  await approver.decideApproval({ params: { run, call }, body: { verdict: 'approve', reason: 'it is her file' } });
  await admin.showRun({ params, query: { wait_ms: 60_000 } });

  const story = await admin.storyRun({ params });
  expect(story.lines.map(({ about }) => about)).toEqual([
    'asked',
    'read',
    'strangers',
    'did',
    'others',
    'refused',
    'people',
    'stopped',
    'spent',
    'ended',
  ]);
  expect(told(story)).toMatchObject({
    asked: expect.stringMatching(
      /^user:\w+ submitted it on [\d-]+ [\d:]+ UTC, to the agent writer \(sha256:\w{12}\)\. Its input: \{"path":"b.txt"\}\.$/,
    ),
    read: expect.stringMatching(/^It asked tools that change nothing once: fs\.read \(1\)\. 1 call failed: fs\.read CORRAL_\w+ \(1\)\.$/),
    did: 'It had tools change something once: fs.write (1).',
    others: 'It started no run. It sent no message to other runs and received none.',
    refused: 'It was refused nothing.',
    people: expect.stringMatching(/approved call \d+ to fs\.write, because: it is her file\.$/),
    stopped: 'Nobody stopped it, and no detector stepped in.',
    spent: expect.stringMatching(/^It used \d+ ms of CPU time, 3 calls, 0 tokens and 0\.00 of money\.$/),
    ended: expect.stringMatching(/^It ended as completed on .* after it was submitted\.$/),
  });
  const { items } = await admin.runJournal({ params, query: { limit: 100 } });
  const seqs = new Set(items.map(({ seq }) => seq));
  for (const { entries } of story.lines) for (const entry of entries) expect(seqs).toContain(entry);
  const decided = items.find(({ event }) => (event as { kind?: string } | null)?.kind === 'approval');
  expect(story.lines.find(({ about }) => about === 'people')).toMatchObject({ entries: [decided?.seq], calls: [call] });

  // A reader who may not see payloads is told the same without the input.
  expect(told(await approver.storyRun({ params }))['asked']).toContain('Its input is not shown to your role.');

  // A call that a person denied was refused to its run.
  const other = { run: (await admin.submitRun({ body: { agent: 'writer', input: { path: 'c.txt' } } })).run };
  const asked = await found(async () => (await admin.listApprovals({ query: other })).items[0], 'the other write waits for people');
  await approver.decideApproval({ params: { ...other, call: asked.call }, body: { verdict: 'deny', reason: 'not hers' } });
  await admin.showRun({ params: other, query: { wait_ms: 60_000 } });
  expect((await admin.storyRun({ params: other })).lines.find(({ about }) => about === 'refused')).toMatchObject({
    text: expect.stringMatching(/^People did not approve 1 call: fs\.write: denied by \S+ \(1\)\.$/),
    calls: [asked.call],
  });
  const said = await corral(['story', run, '--data', made.data]);
  expect(said.out).toContain('People     ');
  expect(said.out).toContain('it is her file');
  await made.host.close(100);
  const away = await corral(['story', run, '--data', made.data, '--json']);
  expect(told(JSON.parse(away.out) as Story)).toMatchObject({
    did: told(story)['did'],
    people: told(story)['people'],
    ended: told(story)['ended'],
  });
});

test('of a run with a long input is short, and there is none of a run that is not here', async () => {
  const { admin, deploy } = await front({ configText: JSON.stringify({ policies: 'none' }) });
  await deploy(`{ name: 'asks', uses: {}, async run({ input }) { throw new Error('x'.repeat(10)); } }`);
  const { run } = await admin.submitRun({ body: { agent: 'asks', input: { long: 'y'.repeat(5_000) } } });
  await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  const story = await admin.storyRun({ params: { run } });
  expect(told(story)['asked']?.length).toBeLessThan(500);
  expect(told(story)['ended']).toMatch(/^It ended as failed/);
  await expect(admin.storyRun({ params: { run: 'run_000000000000' } })).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
});
