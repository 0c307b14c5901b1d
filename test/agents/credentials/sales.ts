/** Two agents with one tool each way: by its code, and by HTTP. Each is talked into the other's account by its input. */
import { defineAgent } from '@corral/guest';

interface Input {
  /** Words that a stranger would say. */
  readonly wanted?: string;
}

const asks = (name: string) =>
  defineAgent({
    name,
    purpose: 'asks who it is',
    uses: { whoami: 'tool:crm.whoami', crm: 'http:crm' },
    async run({ input, caps }) {
      const { wanted = '' } = (input ?? {}) as Input;
      const said = async (asked: Promise<unknown>) => {
        try {
          return await asked;
        } catch (error) {
          return (error as Error).message;
        }
      };
      const http = (await said(caps.crm({ path: '/me', query: `as=${wanted}`, headers: { 'x-account': wanted } }))) as { body?: string };
      return { tool: await said(caps.whoami({ account: wanted })), http: http.body ?? http };
    },
  });

const support = asks('support');
export default defineAgent({
  name: 'sales',
  purpose: 'asks who it is, and has another agent ask',
  uses: { whoami: 'tool:crm.whoami', crm: 'http:crm' },
  spawns: { support },
  async run(context) {
    const own = await asks('sales').run(context as never);
    // It hands on a capability, and no account.
    const { whoami, crm } = context.caps;
    const end = await context.spawn(support, context.input as never, { caps: { whoami, crm } }).ended;
    return { own, child: end.kind === 'completed' ? end.output : end };
  },
});
