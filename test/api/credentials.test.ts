/** A secret belongs to somebody: the account that a tool gets is that of the agent which calls it and of the person the agent acts for. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { transportTo } from '@corral/client/node';
import { createClient } from '@corral/protocol/api/client';
import { loadConfig } from '@corral/server/config/load';
import { agentFile } from '../agents/file.ts';
import { front, sharedFront, shortFolder } from '../front.ts';

const ENV = {
  SALES: 'account-of-sales',
  SUPPORT: 'account-of-support',
  ANA: 'account-of-ana',
  BUYER: 'account-of-buyers',
  HOST: 'key-of-the-host',
};
let url = '';
let policies = '';
const server = createServer(
  (request, response) => void response.end(String(request.headers['authorization']).replace('Bearer ', '').replace('account-of', 'I am')),
);
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  policies = join(await mkdtemp(join(tmpdir(), 'crl-')), 'all.cedar');
  await writeFile(policies, '@id("all") permit (principal, action, resource);');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(dirname(policies), { recursive: true });
});

/** Its tool says whose account it got, in words that hold no secret. */
const CODE = (origin: string, policies: string) => `
import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
let outside = 'nothing yet';
export default defineConfig({
  policies: { files: ['${policies}'], roles: { 'token:bob': ['buyer'] } },
  tenants: { local: {}, other: {} },
  secrets: {
    crm: [
      { env: 'ANA', for: { people: ['token:ana'], agents: ['support'], tenants: ['local'] } },
      { env: 'BUYER', for: { roles: ['buyer'], agents: ['support'], tenants: ['local'] } },
      { env: 'SALES', for: { agents: ['sales'], tenants: ['local'] } },
      { env: 'SUPPORT', for: { agents: ['support'], tenants: ['local'] } },
    ],
    host: { env: 'HOST' },
  },
  http: { crm: { origins: ['${origin}'], headers: ['x-account'], secrets: { authorization: 'Bearer {crm}' } } },
  tools: ({ secret }) => [
    tool({
      name: 'crm.whoami', description: 'x', input: z.object({ account: z.string() }), output: z.unknown(),
      annotations: { readOnly: true, openWorld: false },
      run: async (_, call) => {
        const own = await call.secret('crm').then((it) => it.replace('account-of', 'I am'), () => 'none');
        const closure = await secret('crm').then((it) => it.replace('account-of', 'I am'), () => 'none');
        return { own, closure, host: (await secret('host')).length, agent: call.agent, person: call.person };
      },
    }),
    tool({
      name: 'crm.later', description: 'x', input: z.object({}), output: z.string(), annotations: { readOnly: true, openWorld: false },
      run: async () => { setTimeout(() => secret('crm').then(() => { outside = 'read'; }, () => { outside = 'refused'; }), 30); return 'soon'; },
    }),
    tool({ name: 'crm.outside', description: 'x', input: z.object({}), output: z.string(), annotations: { readOnly: true, openWorld: false }, run: () => outside }),
  ],
});`;

const theFront = sharedFront({
  get configCode() {
    return CODE(url, policies);
  },
  env: { ...process.env, ...ENV },
});

describe('one tool with several accounts', () => {
  type Said = { readonly tool: { readonly own: string; readonly closure: string }; readonly http: string };
  let deployed: Promise<unknown> | undefined;
  async function run(agent: string, as: string | undefined, wanted: string, tenant = 'local') {
    const { admin, deploy, url: at } = theFront();
    await (deployed ??= Promise.all(['local', 'other'].map((one) => deploy(agentFile('credentials/sales'), { tenant: one }))));
    let client = admin;
    if (as !== undefined) {
      const { secret } = await admin.makeToken({ body: { name: as, tenant, roles: ['developer'] } });
      client = createClient(transportTo({ url: at }), secret);
    }
    const { run } = await client.submitRun({ body: { agent, tenant, input: { wanted } } });
    const { outcome } = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    return (outcome as unknown as { output: { own: Said; child: Said } & Said }).output;
  }

  test('gives each agent its own, whatever it is talked into, and whoever handed it the capability: 0 crossings', async () => {
    for (const wanted of ['', 'account-of-support', 'sales', 'crm', 'token:ana', '__proto__']) {
      const { own, child } = await run('sales', undefined, wanted);
      expect([wanted, own.tool.own, own.tool.closure, own.http]).toEqual([wanted, 'I am-sales', 'I am-sales', 'I am-sales']);
      expect([wanted, child.tool.own, child.tool.closure, child.http]).toEqual([wanted, 'I am-support', 'I am-support', 'I am-support']);
    }
  });

  test('gives an agent the account of the person it acts for, or of a role of theirs', async () => {
    expect((await run('support', 'ana', '')).tool).toMatchObject({ own: 'I am-ana', agent: 'support', person: 'token:ana' });
    expect((await run('support', 'bob', '')).tool.own).toBe('I am-buyers');
    expect((await run('support', 'eve', '')).tool.own).toBe('I am-support');
  });

  test('gives nothing to a caller to whom none is bound: the same agent in another tenant', async () => {
    const { tool, http } = await run('support', 'mallory', '', 'other');
    expect(tool).toMatchObject({ own: 'none', closure: 'none', host: ENV.HOST.length });
    expect(http).toMatch(/no credential for this: The secret crm is not for the agent support that acts for token:mallory/);
  });

  test('gives nothing to code that goes on after its call has ended', async () => {
    const { admin, deploy } = theFront();
    await deploy(`{ name: 'sales/late', uses: { later: 'tool:crm.later', outside: 'tool:crm.outside' }, run: async ({ caps, sleep }) => {
      await caps.later({}); for (let i = 0; i < 100; i++) { await sleep(20); const said = await caps.outside({}); if (said !== 'nothing yet') return said; } } }`);
    const { run } = await admin.submitRun({ body: { agent: 'sales/late' } });
    expect((await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).outcome).toMatchObject({ output: 'refused' });
  });

  test('is listed with its last use, and given to nobody once it is revoked, until that is taken back', async () => {
    const { admin } = theFront();
    await run('sales', undefined, '');
    const account = 'crm:env:SALES';
    const shown = async () => (await admin.listSecrets({})).items.find((one) => one.account === account);
    expect(await shown()).toMatchObject({
      secret: 'crm',
      for: { agents: ['sales'] },
      is_there: true,
      in_force: true,
      used_by: { agent: 'sales' },
    });
    expect(JSON.stringify(await admin.listSecrets({}))).not.toMatch(/account-of|key-of/);
    await admin.revokeSecret({ body: { account, reason: 'it leaked' } });
    expect(await shown()).toMatchObject({ in_force: false, revoked: { reason: 'it leaked' } });
    const { own, child } = await run('sales', undefined, '');
    expect([own.tool.own, child.tool.own, child.http]).toEqual(['none', 'I am-support', 'I am-support']);
    expect(own.http).toMatch(/was revoked by .*: it leaked/);
    await admin.restoreSecret({ body: { account, reason: 'rotated' } });
    expect((await run('sales', undefined, '')).own.tool.own).toBe('I am-sales');
    await expect(admin.revokeSecret({ body: { account: 'crm:env:NONE', reason: 'x' } })).rejects.toMatchObject({
      code: 'CORRAL_SECRET_UNKNOWN',
    });
  });
});

describe('a configuration with secrets that are bound', () => {
  const refusalOf = async (config: object) => {
    const file = join(await shortFolder(), 'corral.config.json');
    await writeFile(file, JSON.stringify(config));
    return loadConfig(file, {}).then(
      async (loaded) => (await loaded.close(0), ''),
      (error: Error) => error.message,
    );
  };
  const two = { a: {}, b: {} };

  test('is refused where it would give them to others than are meant, or where nobody calls', async () => {
    const secrets = { crm: { env: 'X', for: { agents: ['sales'] } } };
    expect(await refusalOf({ tenants: two, secrets })).toMatch(/name the tenants/);
    expect(await refusalOf({ tenants: two, secrets: { crm: { env: 'X', for: { agents: ['sales'], tenants: ['c'] } } } })).toMatch(
      /no tenant c/,
    );
    expect(await refusalOf({ secrets: { crm: { env: 'X', for: {} } } })).toMatch(/names nobody/);
    const webhooks = [{ url: 'https://example.com/', secret: 'crm' }];
    expect(await refusalOf({ secrets, webhooks })).toMatch(/webhooks\.0\.secret: the secret crm is bound to callers/);
    expect(await refusalOf({ secrets: { crm: [{ env: 'Y' }, secrets.crm] }, webhooks })).toBe('');
  });

  test('keeps revocations and the last use over a restart, and gives out nothing that has expired', { tags: 'long' }, async () => {
    const configText = JSON.stringify({
      policies: 'none',
      secrets: { old: { env: 'OLD', expires: '2020-01-01' }, crm: { env: 'CRM' } },
      http: { crm: { origins: [url], secrets: { authorization: 'Bearer {old}' } } },
    });
    const data = join(await shortFolder(), 'd');
    const first = await front({ configText, data, env: { ...process.env, OLD: 'account-of-old', CRM: 'x' } });
    await first.deploy(
      `{ name: 'a', uses: { crm: 'http:crm' }, run: ({ caps }) => caps.crm({ path: '/' }).catch((error) => error.message) }`,
    );
    const { run } = await first.admin.submitRun({ body: { agent: 'a' } });
    const { outcome } = await first.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    expect(outcome).toMatchObject({ output: expect.stringContaining('has expired on 2020-01-01') as string });
    await first.admin.revokeSecret({ body: { account: 'crm:env:CRM', reason: 'gone' } });
    await first.host.close(0);
    const second = await front({ configText, data, env: { ...process.env, OLD: 'account-of-old', CRM: 'x' } });
    expect((await second.admin.listSecrets({})).items).toMatchObject([
      { in_force: false, revoked: null },
      { in_force: false, revoked: { reason: 'gone' } },
    ]);
  });
});
