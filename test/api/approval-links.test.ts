/** Links to approvals in webhooks: to open one does nothing, and a decision by it takes who may decide, once, for the call as it was shown. */
import { afterAll, expect, test } from 'vitest';
import { transportTo } from '@corral/client/node';
import { createClient } from '@corral/protocol/api/client';
import { receiver, sentLink } from '../receiver.ts';
import { linkOf } from '@corral/server/events/webhooks/approval-links';
import { sharedApprovalHost } from './approval-host.ts';

const { got, url } = await receiver(() => 200, afterAll);
process.env['CORRAL_TEST_HOOK'] = 'a secret of the receiver';
afterAll(() => {
  delete process.env['CORRAL_TEST_HOOK'];
});

const host = sharedApprovalHost(`secrets: { hook: { env: 'CORRAL_TEST_HOOK' } }, webhooks: [{ id: 'chat', url: '${url}', secret: 'hook' }],
  door: { url: 'https://corral.example' }, approvals: { links: { alone: true } },`);
const pageOf = async (run: string): Promise<URL> => new URL(await sentLink(got, run));
const linkIn = (page: URL) => page.hash.replace('#approve=', '');

test('a link is sent to the webhook, opens a page, and decides by POST for who is signed in and may, once', async () => {
  const { admin, as, pay, waiting, output, url: address } = host();
  const run = await pay({ to: 'Ann', amount: 5 });
  const { call } = await waiting(run);
  const page = await pageOf(run);
  expect([page.origin, page.pathname, page.searchParams.get('run')]).toEqual(['https://corral.example', '/console/approvals', run]);
  const link = linkIn(page);
  // To open it decides nothing, and its secret is in the part of the address that is sent to nobody.
  expect((await fetch(`${address}${page.pathname}${page.search}`)).status).toBe(200);
  expect((await fetch(`${address}/v1/approval-links`)).status).toBe(404);
  expect((await waiting(run)).call).toBe(call);
  const [ana, auditor] = [await as('local', 'approver'), await as('local', 'auditor')];
  const body = { link, verdict: 'approve', reason: 'by the link' } as const;
  await expect(auditor.followLink({ body })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  await expect(ana.followLink({ body: { ...body, link: `${link.slice(0, -2)}AA` } })).rejects.toMatchObject({
    code: 'CORRAL_LINK_REFUSED',
  });
  expect(await ana.followLink({ body })).toMatchObject({ run, call, by: (await ana.whoAmI({})).principal, missing: 0 });
  expect(await output(run)).toHaveLength(1);
  await expect(ana.followLink({ body })).rejects.toMatchObject({ code: 'CORRAL_LINK_REFUSED', message: 'The link was used already.' });
  expect((await admin.listOperations({ query: { run } })).items).toMatchObject([{ operation: 'approve', target: { link: 'chat' } }]);
  expect(JSON.stringify(await admin.listOperations({}))).not.toContain(link);
});

test('where the configuration allows it, the link alone decides, as one person, for the version that was shown and not after its time', async () => {
  const { as, pay, waiting, output, url: address, admin } = host();
  const nobody = createClient(transportTo({ url: address }));
  const run = await pay({ to: 'Ann', amount: 2_000 });
  const { call, version } = await waiting(run);
  const link = linkIn(await pageOf(run));
  const body = { link, verdict: 'approve', reason: 'seen in the chat' } as const;
  const ana = await as('local', 'approver');
  await ana.decideApproval({ params: { run, call }, body: { verdict: 'approve' } });
  // Another person has approved it since, so it is another version; the link is not used up by that.
  for (let i = 0; i < 2; i++) await expect(nobody.followLink({ body })).rejects.toMatchObject({ code: 'CORRAL_CHANGED' });
  const now = (await waiting(run)).version;
  expect(now).not.toBe(version);
  const signed = (until: number) => linkOf('a secret of the receiver', { run, call, version: now, hook: 'chat', until });
  await expect(nobody.followLink({ body: { ...body, link: signed(Date.now() - 1) } })).rejects.toMatchObject({
    code: 'CORRAL_LINK_REFUSED',
  });
  expect(await nobody.followLink({ body: { ...body, link: signed(Date.now() + 60_000) } })).toMatchObject({ by: 'link:chat', missing: 0 });
  expect(await output(run)).toHaveLength(1);
  expect((await admin.listDecisions({ query: { run } })).items.map(({ by }) => by)).toContain('link:chat');
});
