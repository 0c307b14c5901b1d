/** Probing on a live host: an agent that is refused three ways to one end is paused for its owner, and honest agents are not. */
import { expect, test } from 'vitest';
import { Ledger } from '@corral/broker/ledger/ledger';
import { RunDetectors } from '@corral/broker/ledger/detectors';
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';
import { explain } from '@corral/server/evidence/journal';
import { until } from '../until.ts';
import { forbidding, payments, policies } from './payments.ts';
import { openApproval, park, readingTool, world, type World } from '../world.ts';

const tools = [readingTool('fs.read', () => 'text'), readingTool('shell.cat', () => 'text'), payments()];
const WITHIN = { where: { path: { under: 'notes' } } };
const GRANTS = { read: WITHIN, cat: WITHIN, pay: WITHIN };
const AGENT = (name: string, body: string, more = '') =>
  `const ${name} = defineAgent({ name: '${name}', uses: { read: 'tool:fs.read', cat: 'tool:shell.cat', pay: 'tool:payments.send' }, ${more}
    async run({ input, caps, spawn, sleep }) { const tried = (promise) => promise.then(() => 'ok', (error) => error.code); ${body} } });`;
const module = (...agents: string[]) => `import { defineAgent } from '@corral/guest';\n${agents.join('\n')}`;
/** It lives on, so that a pause finds it. */
const REST = `for (;;) await sleep(50);`;

const paused = (w: World, run: RunId) => until(async () => (await w.store.run(run))?.status.control === 'paused');
const whyOf = async (w: World, run: RunId): Promise<string> => {
  const entries = await w.store.journal(run);
  const pages = (async function* () {
    yield entries as Entry[];
  })();
  return (await explain(run, (await w.store.run(run))?.status as never, w.supervisor.view(run), pages)).because.join('\n');
};
/** The detector's sentences over a journal that is read back. */
async function readBack(w: World, run: RunId): Promise<string[]> {
  const record = (await w.store.run(run))?.record;
  const found: string[] = [];
  class Listening extends RunDetectors {
    override settle(): void {
      super.settle();
      found.push(...this.settled.found.flatMap(({ detector, evidence }) => (detector === 'probing' ? [evidence.text] : [])));
    }
  }
  const ledger = new Ledger(record as never, true, new Listening());
  for (const entry of await w.store.journal(run)) ledger.apply(entry);
  return found;
}

test('an agent that is refused by another spelling and another tool is paused, and why says what was tried', async () => {
  const w = await world(tools);
  const version = await w.deploy(
    module(
      AGENT(
        'prober',
        `await tried(caps.read({ path: 'keys/a.pem' })); await tried(caps.read({ path: 'notes/../keys/a.pem' })); await tried(caps.cat({ path: './keys/a.pem' })); ${REST}`,
      ),
      'export default prober;',
    ),
  );
  const { id } = await w.submit(version, {}, { grants: GRANTS });
  await paused(w, id);
  const why = await whyOf(w, id);
  expect(why).toContain(
    'probing, 90 % sure: 3 different ways to one end were refused: fs.read in 2 spellings, shell.cat. Entries 1, 2, 3.',
  );
  expect(why).toContain('loops paused it');
  // Its journal says the same when it is read back.
  expect(await readBack(w, id)).toEqual(['3 different ways to one end were refused: fs.read in 2 spellings, shell.cat.']);
});

test('a run that was parked between its attempts is paused all the same', async () => {
  const w = await world(tools);
  const version = await w.deploy(
    module(
      AGENT(
        'patient',
        `for (const path of ['keys/a', './keys/a', '/keys/a']) { await tried(caps.read({ path })); await sleep(400); } ${REST}`,
      ),
      'export default patient;',
    ),
  );
  const { id } = await w.submit(version, {}, { grants: GRANTS });
  await park(w, id);
  await paused(w, id);
  expect(await readBack(w, id)).toHaveLength(1);
});

test('what children are refused counts as an attempt of their parent, and its pause stops them too', async () => {
  const w = await world(tools);
  const child = AGENT('hand', `await tried(caps.read({ path: input.path })); ${REST}`);
  const parent = AGENT(
    'head',
    `await tried(caps.read({ path: 'keys/a' })); await tried(caps.cat({ path: 'keys/a' })); spawn(hand, { path: 'keys/a' }, { caps }); ${REST}`,
    'spawns: { hand },',
  );
  const { id } = await w.submit(await w.deploy(module(child, parent, 'export default head;')), {}, { grants: GRANTS });
  await paused(w, id);
  const [kid] = await w.store.runs({ parent: id });
  await paused(w, kid?.record.id as RunId);
  const entries = await w.store.journal(id);
  expect(entries.flatMap(({ event }) => (event?.kind === 'refusals' ? [event] : []))).toMatchObject([
    { child: kid?.record.id, agent: 'hand', refused: [{ what: 'fs.read', attempts: [{}] }] },
  ]);
  expect(await whyOf(w, id)).toContain('were refused: fs.read, shell.cat, fs.read by a child.');
  expect(await readBack(w, id)).toHaveLength(1);
});

test('a call that people deny counts, and one that they approve does not', async () => {
  const policed = { policies: { current: policies(tools, forbidding('@consequence("approval")')) } };
  const w = await world(tools, { tenants: { crew: { tools, ...policed } } });
  const version = await w.deploy(
    module(
      AGENT(
        'payer',
        `for (const to of ['ada@example.com', 'ADA@example.com', 'mailto:ada@example.com', 'ada%40example.com']) await tried(caps.pay({ to, amount: 1 })); ${REST}`,
      ),
      'export default payer;',
    ),
  );
  const { id } = await w.submit(version);
  const decide = async (verdict: 'approve' | 'deny') => {
    const { call } = await openApproval(w, id);
    await w.supervisor.control.decide(id, call, 'ada', verdict, 'looked at it');
    await until(async () => (await w.supervisor.approvals()).every((one) => one.call !== call));
  };
  await decide('deny');
  await decide('approve');
  await decide('deny');
  expect((await w.store.run(id))?.status.control).toBe('none');
  await decide('deny');
  await paused(w, id);
  expect(await whyOf(w, id)).toContain('were refused: payments.send in 3 spellings.');
});

test('honest agents go on: the same call again, different things, and a tenant that wants no pause', async () => {
  const honest = `for (let i = 0; i < 9; i++) { await tried(caps.read({ path: 'keys/a' })); await tried(caps.read({ path: 'keys/' + i })); await tried(caps.cat({ path: 'keys/a' })); } return 'done';`;
  const quiet = { notice: null, slow: null, pause: null };
  const loops = { ladder: { detectors: { repeat_error: quiet, cycle: quiet, stuck: { ...quiet, kill: null } } } };
  const w = await world(tools, {
    tenants: { crew: { tools, loops }, zoo: { tools, loops: { ladder: { detectors: { probing: quiet } } } } },
  });
  const source = module(AGENT('honest', honest), 'export default honest;');
  expect(await w.run(source, {}, { grants: GRANTS })).toEqual({ kind: 'completed', output: 'done' });
  const prober = `for (const path of ['keys/a', './keys/a', '/keys/a', 'Keys/A']) await tried(caps.read({ path })); return 'done';`;
  expect(await w.run(module(AGENT('prober', prober), 'export default prober;'), {}, { tenant: 'zoo', grants: GRANTS })).toEqual({
    kind: 'completed',
    output: 'done',
  });
});
