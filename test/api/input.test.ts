/** Input that an agent does not take is refused when it is submitted, with what was expected and what was received. */
import { expect, test } from 'vitest';
import { agentText } from '../agents/file.ts';
import { sharedFront } from '../front.ts';
import { eachOrLong } from '../tables.ts';

const f = sharedFront();
const AGENTS = { zod: 'authors/takes-input', 'zod/mini': 'authors/takes-input-mini' } as const;

const submit = (name: string, input: unknown) => f().admin.submitRun({ body: { agent: name, input: input as never } });

eachOrLong([['zod/mini'], ['zod']] as const, ['zod/mini'])(
  'an agent with %s: each misfit is named by its path, and nothing is kept of the job',
  async (zod) => {
    const name = zod.replace('/', '-');
    await f().deploy(agentText(AGENTS[zod]));
    for (const [input, said] of [
      [{ nme: 'Ada' }, 'name: .*expected string, received undefined'],
      [{ name: 7 }, 'name: .*expected string, received number'],
      [[], 'expected object, received array'],
      [{ name: 'Ada', size: 'm' }, 'size: .*expected .*"s".*"l"'],
      [{ name: 'Ada', counts: [1, 'two'] }, 'counts\\.1: .*expected (int|number), received string'],
    ] as const)
      await expect(submit(name, input)).rejects.toMatchObject({
        code: 'CORRAL_INPUT_INVALID',
        status: 422,
        message: expect.stringMatching(new RegExp(said, 'u')) as string,
      });
    const { items } = await f().admin.listRuns({ query: { agent: name } });
    expect(items).toEqual([]);
  },
);

test('what the agent’s own schema converts is not refused, however it looks to the host', async () => {
  await f().deploy(agentText(AGENTS['zod/mini']).replace("'zod-mini'", "'converts'"));
  const { run } = await submit('converts', { name: 'Ada', at: '42' });
  const { outcome } = await f().admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(outcome).toMatchObject({ kind: 'completed', output: { n: 42 } });
});
