/** Notifications at real receivers, for programs and for people in Slack: they say enough to decide, and nothing that a label keeps private. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { front, shortFolder } from '../front.ts';
import { receiver } from '../receiver.ts';
import { until } from '../until.ts';

describe('a call that waits for people', () => {
  const CONFIG = (url: string) => `
import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({
  tools: [
    tool({ name: 'hr.read', description: 'reads', input: z.object({}), output: z.unknown(),
      annotations: { readOnly: true, openWorld: false, returns: 'trusted', private_to: 'ana' }, run: () => ({ salary: 4711 }) }),
    tool({ name: 'pay', description: 'pays', input: z.object({ to: z.string(), amount: z.number() }), output: z.string(),
      annotations: { destinations: ['to'], money: 'amount' }, run: () => 'paid' }),
  ],
  policies: ['pay.cedar'],
  secrets: { hook: { env: 'HOOK' }, slack: { env: 'SLACK' }, broken: { env: 'BROKEN' } },
  door: { url: 'https://corral.example' },
  webhooks: [
    { id: 'pager', url: '${url}', secret: 'hook', events: ['run.asked'] },
    { id: 'team', format: 'slack', secret: 'slack', texts: true, events: ['run.asked', 'run.ended'] },
    { id: 'wrong', format: 'slack', secret: 'broken', events: ['run.asked'] },
  ],
});`;
  const RULES = `@id("free") permit (principal, action, resource);
@id("asks") @consequence("approval") forbid (principal, action == Action::"tool:pay", resource);
`;
  interface Told {
    readonly type: string;
    readonly data: { readonly run: string };
    readonly decision: Record<string, unknown>;
    readonly link: string;
  }
  interface Message {
    readonly text: string;
    readonly blocks: readonly {
      readonly fields?: readonly { readonly text: string }[];
      readonly elements?: readonly { readonly url?: string }[];
    }[];
  }
  const factsOf = ({ blocks }: Message) => blocks.flatMap(({ fields = [] }) => fields.map(({ text }) => text));

  test('is told with what a person needs to decide and a link, to Slack too, and with nothing that a label keeps private', async () => {
    const [pager, slack] = [await receiver(() => 200), await receiver(() => 200)];
    const folder = await shortFolder();
    await writeFile(join(folder, 'corral.config.ts'), CONFIG(pager.url));
    await writeFile(join(folder, 'pay.cedar'), RULES);
    const env = { HOOK: 'a secret', SLACK: `${slack.url}?key=T0/B0/xyz`, BROKEN: 'hooks.slack.com/T0/B0/xyz' };
    const { admin, deploy } = await front({ config: join(folder, 'corral.config.ts'), env });
    await deploy(agentFile('questions/pays-or-asks'));
    const submit = async (input: Record<string, boolean>) => (await admin.submitRun({ body: { agent: 'payer', input } })).run;
    const told = (run: string) => pager.got.map(({ body }) => JSON.parse(body) as Told).find(({ data }) => data.run === run);
    const messages = () => slack.got.map(({ body }) => JSON.parse(body) as Message);
    const messageOf = (run: string) => messages().find((one) => factsOf(one).includes(`Run: ${run}`));
    const both = async (run: string) => {
      await until(async () => told(run) !== undefined && messageOf(run) !== undefined);
      return [told(run) as Told, messageOf(run) as Message] as const;
    };

    const open = await submit({});
    const [plain, message] = await both(open);
    const { principal } = await admin.whoAmI({});
    const [call] = (await admin.listApprovals({ query: { run: open } })).items;
    expect(plain.decision).toEqual({
      version: call?.version,
      by: principal,
      is_question: false,
      amount: 250,
      rules: ['asks'],
      unusual: expect.arrayContaining(['first_use_of_tool']) as string[],
      approvers: [],
      quorum: 1,
      expires_at: call?.expires_at,
    });
    const link = `https://corral.example/console/approvals?run=${open}&at=${open}-${call?.call}`;
    expect(plain.link).toBe(link);
    expect(message.text).toBe(`payer asks for pay ${link.replace('&', '&amp;')}`);
    expect(factsOf(message)).toEqual(expect.arrayContaining(['Amount: 250', `Asked for by: ${principal}`, 'Rules: asks']));
    expect(message.blocks.flatMap(({ elements = [] }) => elements.map(({ url }) => url))).toContain(link);
    expect(JSON.stringify([plain, message])).not.toContain('secret-account');
    // An incoming webhook of Slack is known by its address alone, and is sent no signature with a key that is that address.
    expect(slack.got[0]?.headers).not.toHaveProperty('webhook-signature');

    const hidden = await submit({ reads: true });
    const [closed, quiet] = await both(hidden);
    expect(closed.decision).not.toHaveProperty('amount');
    expect(factsOf(quiet).join()).not.toContain('Amount');

    const asking = await submit({ asks: true });
    const [question, shown] = await both(asking);
    expect(question.decision).toMatchObject({ is_question: true, approvers: ['owner'] });
    expect(question.decision).not.toHaveProperty('question');
    expect(question.link).toMatch(new RegExp(`^https://corral\\.example/console/approvals/questions\\?run=${asking}&at=${asking}-\\d+$`));
    expect(shown.text).toMatch(/^payer asks a question /);
    expect(factsOf(shown)).toContain('Question: &lt;!channel&gt; Is *this* right?');

    const kept = await submit({ asks: true, reads: true });
    const [, withheld] = await both(kept);
    expect(factsOf(withheld).join()).not.toContain('right?');

    // The address is a secret, in lists and in errors as well.
    const hooks = (await admin.listWebhooks({ query: {} })).items;
    expect(hooks.find(({ hook }) => hook === 'team')?.url).toBe('the secret slack');
    expect(hooks.find(({ hook }) => hook === 'wrong')?.error).toBe('the secret broken is not an address');
    expect(JSON.stringify(hooks)).not.toContain('xyz');
  });
});
