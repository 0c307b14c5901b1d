/** A host for tests of approvals: payments that people are asked about, by amount one of them or two, and a mail that a stranger wrote. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { front, shortFolder, type Front } from '../front.ts';
import { shared } from '../shared.ts';
import { found } from '../until.ts';

const CONFIG = (more: string) => `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
let paid = 0;
export default defineConfig({
  tools: [
    tool({ name: 'pay', description: 'pays', input: z.object({ to: z.string(), amount: z.number(), note: z.string().optional() }), output: z.string(),
      annotations: { destinations: ['to'], money: 'amount', returns: 'trusted' }, run: ({ to, amount }) => 'paid ' + amount + ' to ' + to + ', ' + (paid += 1) }),
    tool({ name: 'mail.read', description: 'reads', input: z.object({}), output: z.unknown(),
      annotations: { readOnly: true, openWorld: false, returns: 'untrusted' }, run: () => 'hello from a stranger' }),
  ],
  tenants: { local: { policies: { files: ['pay.cedar'] } }, other: { policies: { files: ['pay.cedar'] } } },
  ${more}
});`;
const RULES = `@id("free") permit (principal, action, resource);
@id("asks") @consequence("approval") forbid (principal, action == Action::"tool:pay", resource);
@id("asks-two") @consequence("approval") @quorum("2") forbid (principal, action == Action::"tool:pay", resource)
when { context.call has amount && context.call.amount.greaterThan(decimal("1000.0")) };
`;
/** Makes the payments of its input one after the other, and says what came of each. */
const PAYER = `{ name: 'payer', uses: { pay: 'tool:pay', mail: 'tool:mail.read' }, async run({ input, caps }) {
  const said = [];
  for (const one of input.pays) said.push(await caps.pay(one).catch((error) => error.code));
  return said; } }`;
const ASKER = `{ name: 'asker', uses: { owner: 'tool:owner.ask', mail: 'tool:mail.read' }, async run({ ask, caps, sleep }) {
  const [answer] = await Promise.all([ask('Go on?', 'boolean'), sleep(300).then(() => caps.mail({}))]);
  return answer; } }`;

interface Payment {
  readonly to: string;
  readonly amount: number;
  readonly note?: string;
}
export interface ApprovalHost extends Front {
  /** Submits payments, by a developer. */
  readonly pay: (...pays: readonly Payment[]) => Promise<RunId>;
  /** The call of a run that waits for people, after one. */
  readonly waiting: (run: string, after?: number) => Promise<Awaited<ReturnType<Client['listApprovals']>>['items'][number]>;
  readonly output: (run: string) => Promise<unknown>;
}

/** One host for all tests of a file. Called at the top of the file. @param more settings, as code */
export function sharedApprovalHost(more = ''): () => ApprovalHost {
  return shared(async (finished): Promise<ApprovalHost> => {
    const folder = await shortFolder(finished);
    await writeFile(join(folder, 'corral.config.ts'), CONFIG(more));
    await writeFile(join(folder, 'pay.cedar'), RULES);
    const on = await front({ config: join(folder, 'corral.config.ts') }, finished);
    const { admin, deploy, as } = on;
    await deploy(PAYER, { tenant: 'local' });
    await deploy(ASKER, { tenant: 'local' });
    const developer = await as('local', 'developer');
    return {
      ...on,
      pay: async (...pays) => (await developer.submitRun({ body: { agent: 'payer', input: { pays } as never } })).run,
      waiting: (run, after = 0) =>
        found(
          async () => (await admin.listApprovals({ query: { run: run as RunId } })).items.find((one) => one.call > after),
          `a call of ${run} waits for people`,
        ),
      async output(run) {
        const { outcome } = await admin.showRun({ params: { run: run as RunId }, query: { wait_ms: 60_000 } });
        return outcome?.kind === 'completed' ? outcome.output : outcome;
      },
    };
  });
}
