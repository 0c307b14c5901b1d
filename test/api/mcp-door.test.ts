/** A host as an MCP server: an editor or another agent does there what its token may do, and no more. */
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { CORRAL } from '../command.ts';
import { sharedFront, shortFolder, SLEEP, type Front } from '../front.ts';
import { found } from '../until.ts';

/** The first effect of each version waits for people, so each test has a version of its own. */
const writer = (name: string) =>
  `{ name: '${name}', uses: { write: 'tool:fs.write' }, run: ({ caps }) => caps.write({ path: 'a.txt', text: 'x' }).then(() => 'written') }`;
const shared = sharedFront({
  configText: JSON.stringify({ policies: 'default', tenants: { local: {}, other: {} }, files: { write: '.' } }),
});
let on: Front;
beforeAll(async () => {
  on = shared();
  await on.deploy(writer('auto'));
  await on.deploy(writer('legacy'));
  await on.deploy(writer('waits'));
  await on.deploy(SLEEP);
});

async function connected(transport: Transport, mode: 'auto' | 'legacy'): Promise<Client> {
  const client = new Client({ name: 'editor', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(transport);
  onTestFinished(() => client.close());
  return client;
}
const overHttp = (secret: string, mode: 'auto' | 'legacy' = 'auto') =>
  connected(
    new StreamableHTTPClientTransport(new URL('/mcp', on.url), { requestInit: { headers: { authorization: `Bearer ${secret}` } } }),
    mode,
  );

/** Calls a tool, and gives its answer, or the code that it was refused with. */
async function ask(client: Client, name: string, input: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { content, isError } = await client.callTool({ name, arguments: input });
  const text = content[0]?.type === 'text' ? content[0].text : '';
  return isError === true ? { refused: text.split(':')[0] } : (JSON.parse(text) as Record<string, unknown>);
}

test.each(['auto', 'legacy'] as const)(
  'over HTTP in the era %s, it submits, follows, pauses, kills, approves and asks why by its roles',
  async (mode) => {
    const [developer, operator, approver] = await Promise.all(
      (['developer', 'operator', 'approver'] as const).map(async (role) => overHttp((await on.as('local', role)).secret, mode)),
    );
    if (developer === undefined || operator === undefined || approver === undefined) throw new Error('not connected');
    expect((await developer.listTools()).tools.map(({ name }) => name)).toContain('kill_run');
    const { run } = await ask(developer, 'submit_run', { agent: 'sleeper' });
    expect(await ask(approver, 'kill_run', { run, reason: 'too long' })).toEqual({ refused: 'CORRAL_FORBIDDEN' });
    await ask(operator, 'pause_run', { run, reason: 'wait' });
    expect(await ask(developer, 'follow_run', { run })).toMatchObject({ control: 'paused' });
    expect(await ask(operator, 'kill_run', { run, reason: 'too long' })).toMatchObject({ receipts: [{ run }] });
    expect(await ask(developer, 'follow_run', { run, wait_ms: 10_000 })).toMatchObject({ outcome: { kind: 'killed' } });

    const { run: writes } = await ask(developer, 'submit_run', { agent: mode });
    const { call } = await found(async () => {
      const { items } = await ask(approver, 'list_approvals', {});
      return (items as { run: string; call: number }[]).find((one) => one.run === writes);
    }, 'a call waits for people');
    const decision = { run: writes, call, decision: 'approve', reason: 'it may' };
    expect(await ask(developer, 'decide_approval', decision)).toEqual({ refused: 'CORRAL_FORBIDDEN' });
    expect(await ask(approver, 'decide_approval', decision)).toMatchObject({ verdict: 'approve' });
    expect(await ask(developer, 'follow_run', { run: writes, wait_ms: 10_000 })).toMatchObject({ outcome: { output: 'written' } });
    expect(JSON.stringify(await ask(developer, 'why', { run: writes }))).toMatch(/fs\.write/);
  },
);

test('what belongs to another tenant is not there: neither its agents nor its runs, nor what they wait for', async () => {
  const everything = ['developer', 'operator', 'approver', 'auditor'] as const;
  const [own, other] = await Promise.all(['local', 'other'].map(async (tenant) => overHttp((await on.as(tenant, ...everything)).secret)));
  if (own === undefined || other === undefined) throw new Error('not connected');
  const { run: writes } = await ask(own, 'submit_run', { agent: 'waits' });
  const { run: sleeps } = await ask(own, 'submit_run', { agent: 'sleeper' });
  const waiting = async (client: Client) =>
    ((await ask(client, 'list_approvals', {}))['items'] as { run: string; call: number }[]).find((one) => one.run === writes);
  const { call } = await found(() => waiting(own), 'a call waits for people');

  const reason = 'another tenant';
  for (const [tool, input] of [
    ['follow_run', { run: sleeps }],
    ['why', { run: sleeps }],
    ['pause_run', { run: sleeps, reason }],
    ['resume_run', { run: sleeps, reason }],
    ['cancel_run', { run: sleeps, reason }],
    ['kill_run', { run: sleeps, reason }],
    ['decide_approval', { run: writes, call, decision: 'approve', reason }],
  ] as const)
    expect([tool, await ask(other, tool, input)]).toEqual([tool, { refused: 'CORRAL_RUN_UNKNOWN' }]);
  for (const tool of ['list_agents', 'list_runs', 'list_approvals']) {
    expect([tool, (await ask(other, tool, {}))['items']]).toEqual([tool, []]);
    expect([tool, await ask(other, tool, { tenant: 'local' })]).toEqual([tool, { refused: 'CORRAL_FORBIDDEN' }]);
  }
  expect(await ask(other, 'submit_run', { agent: 'waits', tenant: 'local' })).toEqual({ refused: 'CORRAL_FORBIDDEN' });
  expect(await ask(own, 'follow_run', { run: sleeps })).toMatchObject({ lifecycle: 'active', control: 'none' });
  expect(await waiting(own)).toMatchObject({ call });
});

test('nobody is served without a token', async () => {
  await expect(overHttp('not-a-token')).rejects.toThrow(/401|nauthorized/);
});

test('over standard streams, `corral mcp` does what the token in its environment may do', { tags: 'long' }, async () => {
  const { secret } = await on.as('local', 'auditor');
  const [command = '', ...args] = CORRAL;
  const env = { PATH: process.env['PATH'] ?? '', CORRAL_TOKEN: secret, HOME: await shortFolder() };
  const client = await connected(new StdioClientTransport({ command, args: [...args, 'mcp', '--url', on.url], env }), 'auto');
  expect(await ask(client, 'list_agents', {})).toMatchObject({
    items: expect.arrayContaining([expect.objectContaining({ agent: 'auto' })]) as never,
  });
  expect(await ask(client, 'submit_run', { agent: 'auto' })).toEqual({ refused: 'CORRAL_FORBIDDEN' });
});
