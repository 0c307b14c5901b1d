/** Ways in which what a run has not read, or read in another turn, could reach it without its label saying so. The real host. */
import { beforeEach, expect, test } from 'vitest';
import * as z from 'zod';
import type { RunId } from '@corral/protocol/ids';
import type { Label } from '@corral/protocol/model/label';
import type { Tool } from '@corral/protocol/ports/tool';
import { contextOf } from '@corral/supervisor';
import { asked, bus, done, forget, made, READS, SECRET, sharedBus, TOOLS, USES } from './flowing.ts';
import type { World } from '../world.ts';
import { policiesOf } from '../policed.ts';
import { agentFile } from '../agents/file.ts';

beforeEach(forget);

const hr = made('hr.get', z.object({}), { ...READS, returns: 'untrusted', private_to: 'ann' }, () => ({
  salary: 91_234,
  text: 'Ann earns ninety-one thousand',
}));
const calc = made(
  'calc',
  z.object({ n: z.union([z.number(), z.string()]), from: z.number().optional() }),
  { ...READS, returns: 'trusted' },
  ({ n, from }) => (typeof n === 'number' ? n : String(n).slice(from as number, (from as number) + 7)),
);
const broken: Tool = {
  ...made('web.read', z.object({}), { ...READS, returns: 'untrusted' }),
  invoke: () => Promise.resolve({ kind: 'failed', message: SECRET }),
};
const big = made('big', z.object({}), { ...READS, returns: 'untrusted' }, () => 'x'.repeat(200_000));
const tools = [...TOOLS, hr, calc, broken, big];
const uses = USES.replace(/ \}$/, `, get: 'tool:hr.get', calc: 'tool:calc', web: 'tool:web.read', big: 'tool:big' }`);
const planner = (body: string) =>
  `{ name: 'planner', ${uses}, async run({ input, caps, open, checkpoint, state }) { if (state) return state; ${body} } }`;

const host = sharedBus(tools);

/** As of the run's last checkpoint. */
async function labelOf(w: World, id: RunId): Promise<Label | undefined> {
  const labels = (await w.store.journal(id)).flatMap(({ event }) =>
    event?.kind === 'checkpoint' ? [(event.ledger as unknown as { label?: Label }).label] : [],
  );
  return labels.at(-1);
}

test('what a trusted tool makes of private data in a handle is private, however it is cut into pieces', async () => {
  const w = host();
  const { id, ended } = await w.submit(
    await w.deploy(
      planner(
        `const h = await caps.get.handle({}); const s = []; for (let i = 0; i < 14; i += 7) s.push(await caps.calc({ n: h.part('text'), from: i })); await checkpoint({ s });`,
      ),
    ),
  );
  expect((await ended).kind).toBe('completed');
  expect((await labelOf(w, id))?.private_to).toEqual(['ann']);
});

test('a number that a trusted tool reads out of a handle is a stranger’s', async () => {
  const w = host();
  const { id, ended } = await w.submit(
    await w.deploy(planner(`const h = await caps.get.handle({}); await checkpoint({ n: await caps.calc({ n: h.part('salary') }) });`)),
  );
  expect(await ended).toEqual({ kind: 'completed', output: { n: 91_234 } });
  expect((await labelOf(w, id))?.sticky.untrusted_input).toBe(true);
});

test('what an untrusted tool says of its failure is read like its results', async () => {
  const w = host();
  const { id, ended } = await w.submit(
    await w.deploy(planner(`const said = await caps.web({}).catch((error) => error.message); await checkpoint({ said });`)),
  );
  expect(await ended).toMatchObject({ output: { said: expect.stringContaining('DE99EVIL') as string } });
  expect((await labelOf(w, id))?.sticky.untrusted_input).toBe(true);
});

test('a condition on what is in a handle tells whoever set it, and is as good as having read it', async () => {
  const w = host();
  const { ended } = await w.submit(await w.deploy(agentFile('hostile/bisects-a-handle')));
  expect(await ended).toEqual({ kind: 'completed', output: ['CORRAL_GRANT_PREDICATE', 'at most'] });
  const kids = (await w.store.runs({ limit: 9 })).filter(({ record }) => record.agent === 'kid');
  expect(kids).toHaveLength(2);
  for (const { record } of kids) expect(JSON.stringify(await contextOf(w.store, record.id, 100))).toContain('ann');
});

test('a service that keeps its state as it was, and a handle besides, keeps the label too', async () => {
  const w = host();
  const { ended } = await w.submit(await w.deploy(agentFile('hostile/learns-in-a-turn')));
  const { call, run } = await asked(w);
  await w.supervisor.control.decide(run, call, 'owner', 'deny', 'not there');
  expect(await ended).toEqual({ kind: 'completed', output: ['Ann ear', 'CORRAL_APPROVAL_DENIED'] });
  expect(done.filter(({ tool }) => tool === 'mail.send')).toEqual([]);
});

test('a handle that is opened over and over is paid for each time, and no crank gets more than one of them', async () => {
  const w = host();
  const { id, ended } = await w.submit(
    await w.deploy(
      planner(
        `const h = await caps.big.handle({}); const all = await Promise.allSettled(Array.from({ length: 40 }, () => open(h))); return all.filter((one) => one.status === 'fulfilled').length;`,
      ),
    ),
    {},
    { budget: { bytes: 2_000_000 } },
  );
  expect(await ended).toEqual({ kind: 'completed', output: 8 });
  const sizes = (await w.store.journal(id)).map(({ delivery }) => delivery?.length ?? 0);
  expect(Math.max(...sizes)).toBeLessThan(210_000);
});

test('a call to a service that people have approved keeps the deadline that its agent gave it', async () => {
  const w = await bus(tools);
  const { supervisor } = w;
  const text = `permit (principal, action, resource); @id("big") @consequence("approval") forbid (principal, action == Action::"service", resource) when { context.args.key == "big" };`;
  supervisor.configure({ crew: { tools, policies: { current: policiesOf(tools, text) } } });
  const { id, ended } = await w.submit(await w.deploy(agentFile('services/asked-with-a-timeout')));
  const { call } = await asked(w, id);
  await w.supervisor.control.decide(id, call, 'owner', 'approve', 'ok');
  expect(await ended).toEqual({ kind: 'completed', output: 7 });
});
