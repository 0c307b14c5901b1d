/** A person is who they are and not what their token is called: nobody becomes several people, or somebody else, by making tokens. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import type { Role } from '@corral/protocol/api/roles';
import { asFormat, front, onTables, shortFolder, type Front } from '../front.ts';
import { found } from '../until.ts';

const WRITER = `{ name: 'writer', uses: { write: 'tool:fs.write' }, run: ({ input, caps }) =>
  caps.write({ path: 'a.txt', text: input.text ?? 'x' }).then(() => 'written', (error) => error.code) }`;
const asksFor = (more: string) => `@id("free") permit (principal, action, resource);
@id("asks") @consequence("approval") ${more} forbid (principal, action == Action::"tool:fs.write", resource);
`;

async function crew(rule: string, policies: Record<string, unknown> = {}) {
  const folder = await shortFolder();
  await writeFile(join(folder, 'crew.cedar'), asksFor(rule));
  const made = await front({
    configText: JSON.stringify({
      files: { write: await shortFolder() },
      tenants: { crew: {}, shop: {} },
      policies: { files: [join(folder, 'crew.cedar')], ...policies },
    }),
  });
  await made.deploy(WRITER, { tenant: 'crew' });
  const over = (secret: string) => createClient(transportTo({ url: made.url }), secret);
  /** A token that somebody makes over the network, or the machine's owner over the socket. */
  const mint = async (maker: Client, name: string, roles: Role[], more: { tenant?: string; person?: string } = {}) => {
    const { secret, token } = await maker.makeToken({ body: { name, roles, tenant: 'crew', ...(more as object) } });
    return { ...over(secret), token };
  };
  const submit = async (client: Client) => {
    const { run } = await client.submitRun({ body: { agent: 'writer', input: {} } });
    const { call } = await found(
      async () => (await made.admin.listApprovals({})).items.find((one) => one.run === run),
      `a call of ${run} waits for people`,
    );
    return { run, call };
  };
  return { ...made, mint, submit };
}
/** Puts another configuration of who has which say in force. */
async function reconfigured({ admin, data }: Front, more: Record<string, unknown>): Promise<void> {
  const file = join(data, '..', 'corral.config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as { policies: Record<string, unknown> };
  await writeFile(file, JSON.stringify({ ...config, policies: { ...config.policies, ...more } }));
  await admin.applyConfig({ query: { reason: 'a new buyer' } });
}
const approve = (client: Client, params: { run: string; call: number }) =>
  client.decideApproval({ params: params as never, body: { verdict: 'approve', reason: 'ok' } }).then(
    ({ missing }) => missing,
    (error: { code: string }) => error.code,
  );
const outcome = async ({ admin }: Pick<Front, 'admin'>, run: string) =>
  (await admin.showRun({ params: { run: run as never }, query: { wait_ms: 60_000 } })).outcome;

describe('a quorum counts people', () => {
  test('and not the tokens that a tenant’s admin made: neither beside their own run nor beside one another', async () => {
    const made = await crew('@quorum("2")');
    const { admin, mint, submit } = made;
    const boss = await mint(admin, 'boss', ['admin', 'approver']);
    const [one, two] = [await mint(boss, 'one', ['approver']), await mint(boss, 'two', ['approver', 'admin'])];
    const grandchild = await mint(two, 'three', ['approver']);
    const dev = await mint(boss, 'dev', ['developer']);
    // They submitted it themselves, or by a token they made for that.
    for (const submitter of [boss, dev]) {
      const call = await submit(submitter);
      for (const approver of [one, two, grandchild, boss, dev])
        expect(await approve(approver, call)).toBe(approver === dev ? 'CORRAL_FORBIDDEN' : 'CORRAL_APPROVER');
    }
    // Somebody else did: all of them together are one person, and somebody whom the machine's owner let in is another.
    const ana = await mint(admin, 'ana', ['developer']);
    const eva = await mint(admin, 'eva', ['approver']);
    const call = await submit(ana);
    expect(await approve(two, call)).toBe(1);
    for (const approver of [one, grandchild, boss]) expect(await approve(approver, call)).toBe('CORRAL_APPROVER');
    expect(await approve(eva, call)).toBe(0);
    expect(await outcome(made, call.run)).toEqual({ kind: 'completed', output: 'written' });
    // The record of a decision says which token made it, who made that token, and whom it counts as.
    const { decisions } = await admin.whyRun({ params: { run: call.run } });
    expect(decisions[0]?.people).toMatchObject([
      { by: 'token:two', who: { token: two.token, made_by: 'token:boss', person: 'token:boss' } },
      { by: 'token:eva', who: { token: eva.token, made_by: expect.stringMatching(/^user:/) as string, person: 'token:eva' } },
    ]);
    const journal = (await admin.runJournal({ params: { run: call.run }, query: {} })).items;
    expect(JSON.stringify(journal)).toContain(two.token);
    expect((await admin.showRun({ params: { run: call.run } })).who).toMatchObject({ token: ana.token, person: 'token:ana' });
    const { items } = await admin.listOperations({ query: {} });
    expect(items.find((row) => row.operation === 'approve' && row.by === 'token:two')).toMatchObject({
      who: { token: two.token, made_by: 'token:boss' },
    });
  });

  test('and two tokens that were made for one person are one', async () => {
    const { admin, mint, submit } = await crew('@quorum("2")');
    const person = 'oidc:idp.example/eva';
    const laptop = await mint(admin, 'eva-laptop', ['approver', 'developer'], { person });
    const phone = await mint(admin, 'eva-phone', ['approver'], { person });
    const bob = await mint(admin, 'bob', ['approver']);
    const call = await submit(await mint(admin, 'ana', ['developer']));
    expect(await approve(laptop, call)).toBe(1);
    expect(await approve(phone, call)).toBe('CORRAL_APPROVER');
    expect(await approve(bob, call)).toBe(0);
    expect(await approve(phone, await submit(laptop))).toBe('CORRAL_APPROVER');
    expect(await phone.whoAmI({})).toMatchObject({ principal: 'token:eva-phone', token: phone.token, person });
    // Only the machine's owner says whom a token stands for.
    const boss = await mint(admin, 'boss', ['admin']);
    await expect(mint(boss, 'x', ['approver'], { person })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  });

  test('also of the person behind a schedule that is gone by then', async () => {
    const { admin, mint, host } = await crew('');
    const ana = await mint(admin, 'ana', ['developer', 'approver']);
    const { schedule } = await ana.makeSchedule({ body: { agent: 'writer', input: {}, cron: '0 0 1 1 *' } });
    onTables(host, 'UPDATE schedules SET next_at = ? WHERE id = ?', Date.now() - 60_000, schedule);
    host.door.scheduler.start();
    const waiting = await found(async () => (await admin.listApprovals({})).items[0], 'a call of the scheduled run waits for people');
    await ana.removeSchedule({ params: { schedule } });
    expect([...host.door.people.behind(`schedule:${schedule}`)]).toContain('token:ana');
    expect(await approve(ana, waiting)).toBe('CORRAL_APPROVER');
  });

  test('in whatever order tokens are made and names are given a say', async () => {
    const made = await crew('@quorum("2")', {});
    const { admin, mint, submit } = made;
    const boss = await mint(admin, 'boss', ['admin', 'approver']);
    const [early, known] = [await mint(boss, 'buyer', ['approver']), await mint(boss, 'clerk', ['approver'])];
    const ana = await mint(admin, 'ana', ['developer']);
    const before = await submit(ana);
    expect(await approve(early, before)).toBe(1);
    // By then the configuration gives the name a say, which it did not when the boss made the token.
    await reconfigured(made, { roles: { 'token:buyer': ['buyer'] } });
    expect(await approve(boss, before)).toBe('CORRAL_APPROVER');
    const call = await submit(ana);
    expect(await approve(boss, call)).toBe(1);
    expect(await approve(early, call)).toBe('CORRAL_APPROVER');
    expect((await early.whoAmI({})).person).toBe('token:boss');
    // A token that is named by its id is known to whoever wrote that down, and is vouched for by them.
    await reconfigured(made, { roles: { [`token:${known.token}`]: ['buyer'] } });
    expect(await approve(known, call)).toBe(0);
  });
});

describe('a name', () => {
  test('is of one token of the host at a time', async () => {
    const { admin, mint } = await crew('');
    const eva = await mint(admin, 'eva', ['approver']);
    const boss = await mint(admin, 'boss', ['admin'], { tenant: 'shop' });
    await expect(mint(admin, 'eva', ['admin'])).rejects.toMatchObject({ code: 'CORRAL_TOKEN_TAKEN', status: 409 });
    await expect(mint(boss, 'eva', ['admin'], { tenant: 'shop' })).rejects.toMatchObject({ code: 'CORRAL_TOKEN_TAKEN' });
    await expect(mint(admin, eva.token, ['admin'])).rejects.toMatchObject({ code: 'CORRAL_TOKEN_TAKEN' });
    await admin.revokeToken({ params: { token: eva.token } });
    expect((await (await mint(boss, 'eva', ['admin'], { tenant: 'shop' })).whoAmI({})).principal).toBe('token:eva');
  });

  test('that the configuration gives a say is given to nobody over the network, by whatever kind of rule it has it', async () => {
    const rules = ['@approver("token:ruled")', ''];
    for (const rule of rules) {
      const { admin, mint } = await crew(rule, { roles: { 'token:buyer': ['buyer'] }, owners: { writer: 'token:owner' } });
      const boss = await mint(admin, 'boss', ['admin']);
      const root = await mint(admin, 'root', ['admin'], { tenant: '*' });
      for (const name of ['buyer', 'owner', ...(rule === '' ? [] : ['ruled'])])
        for (const maker of [boss, root]) await expect(mint(maker, name, ['approver'])).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
      await mint(boss, 'free', ['approver']);
    }
  });

  test('of an owner still works in rules, however its holder’s token was replaced, and so does a token’s id', async () => {
    const made = await crew('@approver("owner")', { owners: { writer: 'token:eva' } });
    const { admin, mint, submit } = made;
    const ana = await mint(admin, 'ana', ['developer', 'approver', 'admin']);
    const first = await mint(admin, 'eva', ['approver']);
    await admin.revokeToken({ params: { token: first.token } });
    const eva = await mint(admin, 'eva', ['approver']);
    const call = await submit(ana);
    const bob = await mint(admin, 'bob', ['approver', 'admin']);
    expect(await approve(bob, call)).toBe('CORRAL_APPROVER');
    expect(await approve(eva, call)).toBe(0);
    const other = await crew('');
    const carl = await other.mint(other.admin, 'carl', ['approver']);
    expect(other.host.door.people.namesOf('token:carl')).toEqual(['token:carl', `token:${carl.token}`]);
  });

  test('that two tokens of an older host have is the first one’s; the other goes by its id', async () => {
    const { admin, mint, data, host } = await crew('');
    await mint(admin, 'eva', ['approver']);
    const { secret, token } = await admin.makeToken({ body: { name: 'second', tenant: 'shop', roles: ['approver'] } });
    await host.close();
    asFormat(data, 4, `UPDATE tokens SET name = 'eva' WHERE id = '${token}'`);
    const again = await front({ data, config: join(data, '..', 'corral.config.json') });
    const second = createClient(transportTo({ url: again.url }), secret);
    expect(await second.whoAmI({})).toMatchObject({ principal: `token:${token}`, token });
  });
});
