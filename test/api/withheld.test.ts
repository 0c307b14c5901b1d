/**
 * People do not read what a label forbids: an agent that has read private data tries to give it to operators by all that they are shown
 * of a run, and no route shows it to anybody but those whom the label names.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import { ROUTES, type RouteName } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { agentFile } from '../agents/file.ts';
import { corral } from '../command.ts';
import { eventsOf, front, shortFolder, type Front } from '../front.ts';
import { found, until } from '../until.ts';

const SECRET = 'Ana-earns-4711';

const CONFIG = `
import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const note = (name, run) => tool({ name, description: 'notes', input: z.looseObject({ text: z.string() }), output: z.string(),
  annotations: { returns: 'trusted' }, run });
export default defineConfig({
  memory: { notes: { kind: 'kv' } },
  tools: [
    tool({ name: 'hr.read', description: 'reads a salary', input: z.object({}), output: z.object({ text: z.string() }),
      annotations: { readOnly: true, returns: 'trusted', private_to: 'ana' }, run: () => ({ text: '${SECRET}' }) }),
    note('note.write', () => 'noted'),
    note('note.quiet', () => 'noted'),
    note('note.break', ({ text }) => { throw new Error('no room for ' + text); }),
  ],
  policies: { files: ['rules.cedar'], roles: { 'token:hers': ['ana'] } },
});`;
const RULES = `@id("free") permit (principal, action, resource);
@id("asks") @consequence("approval") forbid (principal, action == Action::"tool:note.write", resource);
@id("private-stays") forbid (principal in Agent::"muted", action in [Action::"output", Action::"emit"], resource)
when { !context.labels.confidentiality.isEmpty() };
`;

const ends: (() => void | Promise<void>)[] = [];
let host: Front;
/** All roles but admin, and the developer who submits the runs. */
let operator: Client & { readonly secret: string };
let submitter: Client;
/** The one to whom the data is private. */
let ana: Client;
/** A run that waits for people, with all that it has leaked by then; and one that has ended with an error. */
let leaking: RunId;
let failed: RunId;
/** The call of the first that waits for approval, and its question. */
let asked: { readonly call: number; readonly question: number };
const before = { event: '' };

const insisting = (reason: string) => createClient(transportTo({ socket: host.host.socket }), undefined, reason);

/** An agent that fails before it asks would be waited for in vain. */
async function mustGoOn(run: RunId): Promise<void> {
  const { outcome, waiting_for } = await insisting('test').showRun({ params: { run } });
  if (outcome !== null) throw new Error(JSON.stringify([outcome, waiting_for]));
}

async function leak(how: 'output' | 'error'): Promise<{ readonly run: RunId; readonly call: number; readonly question: number }> {
  const { run } = await submitter.submitRun({ body: { agent: 'leaker', input: { ends: how } } });
  const question = await found(async () => {
    await mustGoOn(run);
    return (await operator.listQuestions({ query: { limit: 50 } })).items.find((one) => one.run === run);
  }, 'the agent asks');
  const approval = await found(
    async () => (await operator.listApprovals({ query: { run } })).items.find((one) => one.run === run),
    'the call waits',
  );
  return { run, call: approval.call, question: question.call };
}

beforeAll(async () => {
  const folder = await shortFolder((end) => ends.push(end));
  await writeFile(join(folder, 'corral.config.ts'), CONFIG);
  await writeFile(join(folder, 'rules.cedar'), RULES);
  host = await front({ config: join(folder, 'corral.config.ts') }, (end) => ends.push(end));
  operator = await host.as('local', 'developer', 'operator', 'approver', 'auditor');
  submitter = await host.as('local', 'developer');
  const { secret } = await host.admin.makeToken({ body: { name: 'hers', tenant: 'local', roles: ['operator', 'approver'] } });
  ana = createClient(transportTo({ url: host.url }), secret);
  await host.deploy(agentFile('hostile/leaks-a-secret'));
  before.event = host.host.door.feed.last;
  const first = await leak('error');
  failed = first.run;
  await operator.decideApproval({ params: { run: failed, call: first.call }, body: { verdict: 'deny', reason: 'no' } });
  await host.admin.answerQuestion({ params: { run: failed, call: first.question }, body: { decline: true, reason: 'no' } });
  await until(async () => (await operator.showRun({ params: { run: failed } })).ended_as !== null);
  const { run, ...calls } = await leak('output');
  [leaking, asked] = [run, calls];
  // The end of its run is the last event that followers read.
  await host.deploy(`{ name: 'plain', run: ({ log }) => { log('hi'); return 1; } }`);
  const plain = await host.admin.submitRun({ body: { agent: 'plain' } });
  await host.admin.showRun({ params: { run: plain.run }, query: { wait_ms: 60_000 } });
});
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

async function listed<T>(events: AsyncIterable<T>, isLast: (event: T) => boolean): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) if (all.push(event) > 0 && isLast(event)) break;
  return all;
}
const following = (client: Client) => {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  return listed(
    client.follow({}, { last: before.event, signal: stop.signal }),
    ({ kind, ...of }) => kind === 'run.ended' && 'agent' in of && of.agent === 'plain',
  );
};
/** Whether a run has ended, and how often it has emitted or logged something. */
async function saidBy(run: RunId): Promise<readonly [boolean, number]> {
  const { ended_as } = await host.admin.showRun({ params: { run } });
  const { items } = await host.admin.runJournal({ params: { run }, query: { limit: 500 } });
  const said = items.flatMap(({ effects }) => effects ?? []).filter((effect) => /^(?:emit|log)$/.test((effect as { kind: string }).kind));
  return [ended_as !== null, said.length];
}

type Way = (client: Client, run: RunId) => Promise<unknown>;
const of = (run: RunId) => ({ params: { run } });

/** How each route is asked for what the runs hold; or why it has nothing of that. A new route does not compile before it is here. */
const WAYS: Record<RouteName, Way | string> = {
  listRuns: (client) => client.listRuns({ query: { limit: 100, total: 'true' } }),
  showRun: (client, run) => client.showRun(of(run)),
  runTree: (client, run) => client.runTree(of(run)),
  whyRun: (client, run) => client.whyRun(of(run)),
  storyRun: (client, run) => client.storyRun(of(run)),
  runAuthority: (client, run) => client.runAuthority(of(run)),
  runCalls: (client, run) => client.runCalls({ ...of(run), query: { limit: 100 } }),
  runMessages: (client, run) => client.runMessages({ ...of(run), query: { limit: 100 } }),
  runJournal: (client, run) => client.runJournal({ ...of(run), query: { limit: 500 } }),
  runContext: (client, run) => client.runContext(of(run)),
  runFixture: async (client, run) => [
    await client.runFixture(of(run)),
    await client.runFixture({ ...of(run), query: { private: 'include' } }),
  ],
  runEvents: async (client, run) => {
    const [ended, said] = await saidBy(run);
    let left = said;
    return left === 0 ? [] : listed(client.followRun(run), ({ kind }) => (ended ? kind === 'ended' : (left -= 1) === 0));
  },
  events: (client) => following(client),
  listApprovals: (client) => client.listApprovals({ query: { limit: 100 } }),
  countApprovals: (client) => client.countApprovals({}),
  listQuestions: (client) => client.listQuestions({ query: { limit: 100 } }),
  decideApproval: (client, run) =>
    client.decideApproval({ params: { run, call: asked.call }, body: { verdict: 'approve', reason: 'unseen' } }),
  answerQuestion: (client, run) => client.answerQuestion({ params: { run, call: asked.question }, body: { value: 'perhaps' } }),
  settleMany: (client) =>
    client.settleMany({ body: { act: 'approve', where: { agent: 'leaker' }, reason: 'unseen', dryRun: false } as never }),
  operate: (client, run) => client.operate({ body: { operation: 'pause', target: { run }, reason: 'look', dryRun: true } as never }),
  replayRun: (client, run) => client.replayRun({ ...of(run), body: {} }),
  upgradeRun: (client, run) => client.upgradeRun({ ...of(run), body: { to: 'latest' } }),
  forkRun: (client, run) => client.forkRun({ ...of(run), body: { at: 2 } }).then(({ run: fork }) => client.showRun(of(fork))),
  resolveCall: (client, run) => client.resolveCall({ params: { run, call: asked.call }, body: { how: 'fail', reason: 'x' } }),
  releaseRun: (client, run) => client.releaseRun({ ...of(run), body: { reason: 'x' } }),
  learnProfile: (client) => client.learnProfile({ params: { agent: 'leaker' }, body: { reason: 'x', dryRun: true } }),
  showProfile: (client) => client.showProfile({ params: { agent: 'leaker' } }),
  markRun: (client, run) => client.markRun({ ...of(run), body: { verdict: 'confirmed', reason: 'it leaks' } }),
  listMarks: (client) => client.listMarks({}),
  tuning: (client) => client.tuning({}),
  verifyJournals: (client, run) => client.verifyJournals({ body: { run } }),
  sendToService: (client) =>
    client.sendToService({ params: { service: 'vault', key: SECRET.replace('4711', 'x'), handler: 'keep' }, body: 'x', query: {} }),
  submitRun: 'answers as listRuns does, with the input of the caller',
  listOperations: (client) => client.listOperations({ query: { limit: 200 } }),
  listSpend: (client) => client.listSpend({}),
  countRuns: (client) => client.countRuns({ query: {} }),
  runHistory: (client) => client.runHistory({ query: { by: 'day' } as never }),
  totals: (client) => client.totals({}),
  listDeliveries: (client) => client.listDeliveries({ query: { limit: 100 } }),
  listWebhooks: (client) => client.listWebhooks({}),
  policyShadow: (client) => client.policyShadow({}),
  metrics: (client) => client.metrics({}),
  listQuarantines: (client) => client.listQuarantines({}),
  showConfig: (client) => client.showConfig({}),
  listDecisions: (client) => client.listDecisions({ query: { limit: 100, counts: 'true' } as never }),
  claimApproval: (client, run) => client.claimApproval({ params: { run, call: asked.call }, body: {} }),
  putOffApproval: (client, run) => client.putOffApproval({ params: { run, call: asked.call }, body: { until: null } }),
  releaseApproval: (client, run) => client.releaseApproval({ params: { run, call: asked.call } }),
  listStanding: (client, run) => client.listStanding(of(run)),
  withdrawApproval: 'answers with names alone',
  followLink: 'answers with names alone',
  usage: (client) => client.usage({ query: {} }),
  listTenants: (client) => client.listTenants({}),
  listNodes: 'about the host',
  listCells: (client) => client.listCells({}),
  showQueue: (client) => client.showQueue({}),
  listBreakers: (client) => client.listBreakers({}),
  listSecrets: 'names of secrets of the configuration',
  restoreSecret: 'names a secret of the configuration',
  revokeSecret: 'names a secret of the configuration',
  beginLogin: 'names accounts of the configuration',
  finishLogin: 'names accounts of the configuration',
  logout: 'names accounts of the configuration',
  retryDeliveries: 'counts notifications',
  deleteProfile: 'counts what it deletes',
  eraseRun: 'counts what it deletes',
  collectGarbage: 'counts what it deletes',
  makeBackup: 'lists files',
  logHead: 'a hash',
  revokeGrant: 'counts calls',
  putQuarantine: 'has the words of the caller',
  liftQuarantine: 'has the words of people',
  deployAgent: 'about bundles',
  listAgents: 'about bundles',
  showAgent: 'about bundles',
  moveAlias: 'about bundles',
  rollBack: 'about bundles',
  sourceMap: 'about bundles',
  listTools: 'about tools',
  showTool: (client) => client.showTool({ params: { tool: 'note.quiet' }, query: {} }),
  makeToken: 'about people',
  listTokens: 'about people',
  revokeToken: 'about people',
  whoAmI: 'about people',
  signIn: 'about people',
  showSession: 'about people',
  signOut: 'about people',
  makeSchedule: 'has the input of the caller',
  listSchedules: 'has the inputs of people',
  removeSchedule: 'has the inputs of people',
  checkConfig: 'about the configuration',
  applyConfig: 'about the configuration',
  listConfigs: 'about the configuration',
  configThen: 'about the configuration',
  listPolicies: 'about policies',
  showPolicies: 'about policies',
  health: 'about the host',
  ready: 'about the host',
  showScene: 'only on a host of `corral demo`, whose runs read nothing private',
  actInScene: 'only on a host of `corral demo`, whose runs read nothing private',
  listMemories: (client) => client.listMemories({ query: { limit: 100 } }),
  listMemoryEntries: async (client) => client.listMemoryEntries({ params: { memory: await notes() }, query: { limit: 100 } }),
  readMemory: async (client) => client.readMemory({ params: { memory: await notes() }, body: { name: 'salary' } }),
  removeMemory: 'counts what it deletes',
  listToolReviews: 'has what sources of tools declare',
  acceptTools: 'has what sources of tools declare',
};

/** The memory in which the agent has kept it. */
const notes = async () => (await host.admin.listMemories({})).items[0]?.id ?? 0;

/** All that a client is told by one way, refusals included. */
const told = async (way: Way, client: Client, run: RunId): Promise<string> => {
  const answer = await way(client, run).catch((error: unknown) => {
    const { message, problem } = error as { message: string; problem?: unknown };
    return { message, problem };
  });
  return JSON.stringify(answer);
};

/** Ways of one who has acted already, or whom others could not repeat. */
const ACTS: ReadonlySet<string> = new Set(['decideApproval', 'settleMany', 'events', 'forkRun', 'learnProfile', 'sendToService']);

const family = async (run: RunId): Promise<RunId[]> => {
  const ids = (tree: { run: string; children: unknown[] }): string[] => [tree.run, ...(tree.children as never[]).flatMap(ids)];
  return ids(await host.admin.runTree(of(run))) as RunId[];
};

test('no route gives an operator, an auditor or an admin without a reason what an agent has leaked of private data, by any way', async () => {
  expect(new Set(Object.keys(WAYS))).toEqual(new Set(Object.keys(ROUTES)));
  const vaults = (await host.admin.listRuns({ query: { agent: 'vault' } })).items.map(({ run }) => run);
  const runs = [...(await family(leaking)), ...(await family(failed)), ...vaults];
  expect(runs.length).toBeGreaterThanOrEqual(5);
  for (const [name, way] of Object.entries(WAYS)) {
    if (typeof way === 'string') continue;
    for (const run of runs)
      for (const client of ACTS.has(name) ? [operator] : [operator, host.admin, submitter])
        expect(await told(way, client, run), `by ${name}`).not.toContain(SECRET);
  }
  expect(await operator.listRuns({ query: { q: SECRET, total: 'true' } })).toMatchObject({ items: [], total: 0 });
});

test('what is withheld says to whom it is private, and whom to ask', async () => {
  const { items } = await operator.runJournal({ ...of(leaking), query: { limit: 500 } });
  const [first] = items;
  expect(first?.withheld).toBeUndefined();
  expect(JSON.stringify(first?.effects)).toContain('before it has read anything');
  const hidden = items.find(({ withheld }) => withheld !== undefined);
  expect(hidden).toMatchObject({
    private_to: ['ana'],
    withheld: {
      private_to: ['ana'],
      why: expect.stringMatching(/^It is private to ana, and token:\S+ is not that\.$/) as string,
      ask: expect.stringMatching(/^Ask ana, or an admin, who reads it with a reason that is recorded: `--private-reason WHY`/) as string,
    },
  });
  // The rest says what was done, and by whom it was decided.
  const call = (await operator.runCalls(of(leaking))).items.find(({ tool }) => tool === 'note.break');
  expect(call).toMatchObject({ state: 'failed', input: null, error: { code: 'CORRAL_TOOL_FAILED', message: 'withheld', detail: null } });
  expect(await operator.showRun(of(failed))).toMatchObject({
    ended_as: 'failed(CORRAL_AGENT_THREW)',
    outcome: { kind: 'failed', message: 'withheld' },
    withheld_payload: { private_to: ['ana'] },
  });
});

test('those whom the label names read it, by the role that the policies of the tenant give them', async () => {
  for (const name of ['showRun', 'runJournal', 'runCalls', 'runMessages', 'whyRun', 'runEvents', 'events'] as const)
    expect(await told(WAYS[name] as Way, ana, failed), `by ${name}`).toContain(SECRET);
  expect(JSON.stringify(await ana.listApprovals({ query: { run: leaking } }))).toContain(SECRET);
  expect(JSON.stringify(await ana.listQuestions({}))).toContain(SECRET);
  for (const name of ['listMemoryEntries', 'readMemory'] as const) expect(await told(WAYS[name] as Way, ana, failed)).toContain(SECRET);
});

test('a call cannot be approved, nor a question answered, by somebody who may not read it; both can be refused', async () => {
  const approve = (client: Client) => client.decideApproval({ params: { run: leaking, call: asked.call }, body: { verdict: 'approve' } });
  await expect(approve(operator)).rejects.toMatchObject({ code: 'CORRAL_WITHHELD', status: 403 });
  await expect(operator.answerQuestion({ params: { run: leaking, call: asked.question }, body: { value: 'no' } })).rejects.toMatchObject({
    code: 'CORRAL_WITHHELD',
  });
});

test('an admin reads it with a reason, which is in the record of operations before; nobody else may give one', async () => {
  const reasons = async () => (await host.admin.listOperations({ query: { operation: 'read-private' } })).items.length;
  const [none, client] = [await reasons(), insisting('a complaint: №7')];
  expect(JSON.stringify(await client.runCalls(of(failed)))).toContain(SECRET);
  const [row] = (await host.admin.listOperations({ query: { operation: 'read-private' } })).items;
  expect(row).toMatchObject({
    reason: 'a complaint: №7',
    matched: [failed],
    target: { run: failed, private_to: ['ana'], route: 'GET /v1/runs/:run/calls' },
  });
  expect(await reasons()).toBe(none + 1);
  // Data that is public needs no reason, and leaves no row.
  const { run } = await host.admin.submitRun({ body: { agent: 'plain' } });
  expect(await client.showRun({ ...of(run), query: { wait_ms: 30_000 } })).toMatchObject({ outcome: { output: 1 } });
  expect(await reasons()).toBe(none + 1);
  const { secret } = await host.as('local', 'operator', 'auditor');
  const theirs = createClient(transportTo({ url: host.url }), secret, 'curious');
  await expect(theirs.showRun(of(failed))).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
});

test('the command line says what is withheld in place of it', async () => {
  const said = async (...args: string[]) => {
    const { out, err } = await corral([...args, '--url', host.url], undefined, { CORRAL_TOKEN: operator.secret });
    return out + err;
  };
  for (const command of ['journal', 'story', 'logs']) {
    const text = await said(command, failed);
    expect(text, `corral ${command}`).not.toContain(SECRET);
    expect(text, `corral ${command}`).toMatch(/It is private to ana/);
  }
});

describe('policies about what leaves a run', () => {
  const MUTED = (body: string) =>
    `{ name: 'muted', uses: { hr: 'tool:hr.read' }, run: async ({ caps, emit, log }) => { emit('early', 1); const { text } = await caps.hr({}); emit('late', text); ${body} } }`;
  const ended = async (client: Client, run: RunId) => (await client.showRun({ ...of(run), query: { wait_ms: 60_000 } })).outcome;

  test('stop its events and its output, for those as well who may read them, and the run says by which rule', async () => {
    await host.deploy(MUTED('return text;'));
    const { run } = await submitter.submitRun({ body: { agent: 'muted' } });
    expect(await ended(ana, run)).toBeTruthy();
    expect((await ana.showRun(of(run))).outcome).toEqual({
      kind: 'failed',
      code: 'CORRAL_DENIED',
      message: 'The output was withheld by private-stays.',
    });
    const events = await listed(ana.followRun(run), ({ kind }) => kind === 'ended');
    expect(events.flatMap((event) => (event.kind === 'emitted' ? [event.event] : []))).toEqual(['early']);
    const stream = (await eventsOf(host.host)).filter((event) => event.run === run && event.kind === 'run.emitted');
    expect(stream.map(({ data }) => (data as { event: string }).event)).toEqual(['early']);
    const last = (await ana.runJournal(of(run))).items.at(-1);
    expect(JSON.stringify(last?.effects)).not.toContain(SECRET);
    expect(last?.withheld?.why).toBe('The policies of the tenant have stopped it, by private-stays.');
    const { decisions } = await ana.whyRun(of(run));
    expect(decisions.map(({ action, verdict }) => `${action} ${verdict}`)).toEqual(
      expect.arrayContaining(['emit allow', 'emit deny', 'output deny']),
    );
  });

  test('withhold what its agent says of a failure, and leave how it failed', async () => {
    await host.deploy(MUTED('throw new Error(text);'));
    const { run } = await submitter.submitRun({ body: { agent: 'muted' } });
    await ended(operator, run);
    expect((await ana.showRun(of(run))).outcome).toEqual({
      kind: 'failed',
      code: 'CORRAL_AGENT_THREW',
      message: 'What the agent said of its failure was withheld by private-stays.',
    });
  });
});
