/**
 * Memories of agents: a value that was written under a stranger’s influence, or from private data, is that for all who read it later, in other
 * agents and after restarts. The real host, the real pack, the real store.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { PrincipalId, RunId, TenantId } from '@corral/protocol/ids';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { quotesOf } from '@corral/supervisor';
import { agentFile } from '../agents/file.ts';
import { policiesOf, SEASONED } from '../policed.ts';
import { remembering } from '../remembering.ts';
import { sharedWorld, type World } from '../world.ts';
import { asked, crossed, forget, SECRET, TOOLS } from './flowing.ts';

const memory = await remembering({
  notes: { kind: 'kv' },
  shared: { kind: 'kv', scope: 'tenant' },
  open: { kind: 'kv', scope: 'tenant', shares: ['ann'] },
  mine: { kind: 'kv', scope: 'person' },
  doubted: { kind: 'kv', scope: 'tenant', returns: 'untrusted' },
  papers: { kind: 'files', scope: 'tenant' },
  facts: { kind: 'memory', scope: 'tenant' },
});
const ALL = [...TOOLS, ...memory.tools];
const policed = { tools: ALL, policies: { current: policiesOf(ALL, SEASONED) } };
const host = sharedWorld(ALL, { tenants: { crew: policed, zoo: policed, plain: { tools: memory.tools } } });
beforeEach(forget);

const USES = `uses: { mail: 'tool:mail.read', hr: 'tool:hr.read', pay: 'tool:pay.send', send: 'tool:mail.send', notes: 'kv:notes', shared: 'kv:shared',
  open: 'kv:open', mine: 'kv:mine', doubted: 'kv:doubted', papers: 'files:papers', facts: 'memory:facts' }`;
const agent = (name: string, body: string, more = '') =>
  `{ name: '${name}', ${USES}, ${more} async run({ input, caps, open, spawn }) { ${body} } }`;

async function run(
  w: World,
  name: string,
  body: string,
  { person = 'test', tenant = 'crew', input = { task: 'pay ann' }, more = '' } = {},
) {
  const version = await w.deploy(agent(name, body, more), tenant);
  const { id, ended } = await w.supervisor.submit({ tenant: tenant as TenantId, version, input, principal: person as PrincipalId });
  return { id, ended };
}
const output = async (...of: Parameters<typeof run>) => {
  const outcome = await (await run(...of)).ended;
  return outcome.kind === 'completed' ? outcome.output : outcome;
};
/** The results of a run, as its journal has them. */
const resultsOf = async (w: World, id: RunId) =>
  (await w.store.journal(id)).flatMap(({ delivery = '{}' }) => {
    const parsed = JSON.parse(delivery) as Delivery;
    return parsed.kind === 'reply' ? parsed.results : [];
  });

describe('a value', () => {
  test('that was written under a stranger’s influence asks people again in another agent’s run, and says who wrote it', async () => {
    const w = host();
    const writer = await run(
      w,
      'collector',
      `const { text } = await caps.mail({}); return caps.shared.put({ key: 'order', value: { to: 'DE99EVIL00000000000001', text } });`,
    );
    expect(await writer.ended).toMatchObject({ kind: 'completed', output: { done: true } });
    const reader = await run(
      w,
      'payer',
      `const { value } = await caps.shared.get({ key: 'order' }); return caps.pay({ to: value.to, amount: 1 }).catch((e) => e.code);`,
    );
    const approval = await asked(w, reader.id);
    expect(approval).toMatchObject({ tool: 'pay.send', rules: expect.arrayContaining(['strange-destination']) as unknown });
    await w.supervisor.control.decide(reader.id, approval.call, 'owner', 'deny', 'no');
    expect(await reader.ended).toMatchObject({ output: 'CORRAL_APPROVAL_DENIED' });
    const [kept] = (await resultsOf(w, reader.id)).flatMap((one) => ('kept' in one ? [one.kept] : []));
    expect(kept).toMatchObject({
      label: { influenced_by: ['mail.read'] },
      by: [{ run: writer.id, call: 2, agent: 'collector', person: 'test' }],
    });
    // A cell is given the value alone.
    expect(await crossed(w, reader.id)).not.toContain('influenced_by');
    const entries = await w.store.journal(reader.id);
    const decisions = new Map(entries.flatMap((entry) => entry.decisions).map((one) => [one.id, one]));
    const [quote] = quotesOf(entries, decisions, { to: 'DE99EVIL00000000000001' });
    expect(quote).toMatchObject({
      trusted: false,
      source: `shared.get (written by call 2 of ${writer.id}, collector, influenced by mail.read)`,
    });
  });

  test('that a clean run wrote is trusted as that run was, unless the configuration says otherwise', async () => {
    const w = host();
    await output(
      w,
      'planner',
      `await caps.shared.put({ key: 'clean', value: 'ann' }); return caps.doubted.put({ key: 'clean', value: 'ann' });`,
    );
    expect(
      await output(w, 'payer', `const { value } = await caps.shared.get({ key: 'clean' }); return caps.pay({ to: value, amount: 1 });`),
    ).toEqual({ ok: true });
    const doubting = await run(
      w,
      'payer',
      `const { value } = await caps.doubted.get({ key: 'clean' }); return caps.pay({ to: 'someone', amount: 1 }).catch((e) => e.code);`,
    );
    const approval = await asked(w, doubting.id);
    await w.supervisor.control.decide(doubting.id, approval.call, 'owner', 'deny', 'no');
    await doubting.ended;
  });

  test('stays what it is when the memory is opened again, and in a list, a file that it was appended to, and a recalled text', async () => {
    const w = host();
    await output(
      w,
      'clean',
      `await caps.papers.append({ path: 'log', text: 'clean;' }); await caps.shared.put({ key: 'list/a', value: 1 });`,
    );
    await output(
      w,
      'tainted',
      `const { text } = await caps.mail({}); await caps.papers.append({ path: 'log', text: 'tainted;' });
       await caps.shared.put({ key: 'list/' + text.slice(0, 6), value: 1 }); await caps.facts.remember({ text, about: 'orders' });`,
    );
    await memory.reopen();
    const tainted = async (body: string) => {
      const { id, ended } = await run(
        w,
        'reader',
        `const got = ${body}; await caps.pay({ to: 'someone-new', amount: 1 }).catch(() => 0); return got;`,
      );
      const approval = await asked(w, id);
      await w.supervisor.control.decide(id, approval.call, 'owner', 'deny', 'no');
      return ended;
    };
    expect(await tainted(`(await caps.papers.read({ path: './x/../log' })).text`)).toMatchObject({ output: 'clean;tainted;' });
    expect(await tainted(`(await caps.shared.list({ key: 'list/' })).items.map((one) => one.key)`)).toMatchObject({
      output: ['list/IGNORE', 'list/a'],
    });
    expect(await tainted(`(await caps.facts.recall({ words: 'ignore', about: 'orders' })).items.map((one) => one.text)`)).toMatchObject({
      output: [SECRET],
    });
    expect(await output(w, 'reader', `await caps.shared.list({ key: 'list/a' }); return caps.pay({ to: 'ann', amount: 1 });`)).toEqual({
      ok: true,
    });
  });

  test('out of a handle is tainted where it is kept, and not the run that moved it; read as a handle, only opening it taints', async () => {
    const w = host();
    const mover = `const h = await caps.mail.handle({}); await caps.shared.put({ key: 'moved', value: h }); return caps.pay({ to: 'ann', amount: 1 });`;
    expect(await output(w, 'mover', mover)).toEqual({ ok: true });
    const holder = `const h = await caps.shared.get.handle({ key: 'moved' }); await caps.pay({ to: 'ann', amount: 1 });
      const { value } = await open(h); await caps.pay({ to: 'someone-new', amount: 2 }).catch(() => 0); return value.text;`;
    const { id, ended } = await run(w, 'holder', holder);
    const approval = await asked(w, id);
    expect(approval.input).toEqual({ to: 'someone-new', amount: 2 });
    await w.supervisor.control.decide(id, approval.call, 'owner', 'deny', 'no');
    expect(await ended).toMatchObject({ output: SECRET });
  });

  test('of which nothing is known, since its tenant has no policies, is anybody’s where there are some', async () => {
    const w = host();
    const plain = (body: string) => `{ name: 'plain', uses: { notes: 'kv:notes' }, run: ({ caps }) => ${body} }`;
    await w.run(plain(`caps.notes.put({ key: 'a', value: 1 })`), {}, { tenant: 'plain' });
    const { id, ended } = await w.submit(await w.deploy(plain(`caps.notes.get({ key: 'a' })`), 'plain'), {}, { tenant: 'plain' });
    expect(await ended).toMatchObject({ output: { value: 1 } });
    const [kept] = (await resultsOf(w, id)).flatMap((one) => ('kept' in one && one.kept !== undefined ? [one.kept] : []));
    expect(kept).toEqual({ by: [expect.objectContaining({ agent: 'plain' })] });
  });
});

describe('private data', () => {
  const READ = `(await caps.shared.get({ key: 'pay' }).catch((e) => e.code))`;

  test('is refused to runs that act for others, left out of their lists, and not theirs to replace', async () => {
    const w = host();
    const keeps = `const { text } = await caps.hr({}); await caps.shared.put({ key: 'pay', value: text }); await caps.open.put({ key: 'pay', value: text });
      await caps.facts.remember({ text, about: 'salaries' });`;
    await output(w, 'clerk', keeps, { person: 'token:cleo' });
    expect(await output(w, 'clerk', `return ${READ}.value;`, { person: 'token:cleo' })).toContain('91234');
    const bob = (body: string) => output(w, 'reader', `return ${body};`, { person: 'token:bob' });
    expect(await bob(READ)).toBe('CORRAL_MEMORY_PRIVATE');
    expect(await bob(`await caps.shared.put({ key: 'pay', value: 0 }).catch((e) => e.code)`)).toBe('CORRAL_MEMORY_PRIVATE');
    expect(await bob(`(await caps.shared.list({ key: 'pay' })).items`)).toEqual([]);
    expect(await bob(`(await caps.facts.recall({ words: 'earns' })).items`)).toEqual([]);
    expect(await bob(`(await caps.open.get({ key: 'pay' })).value`)).toContain('91234');
    // The person whose data it is may have it, whoever kept it.
    expect(await output(w, 'reader', `return ${READ}.value;`, { person: 'ann' })).toContain('91234');
  });

  test('that is held as a handle is private in the journal of a run that has not read it', async () => {
    const w = host();
    await output(w, 'clerk', `const { text } = await caps.hr({}); await caps.open.put({ key: 'held', value: text });`, {
      person: 'token:cleo',
    });
    const { id, ended } = await run(w, 'holder', `const h = await caps.open.get.handle({ key: 'held' }); return h.type;`, {
      person: 'token:bob',
    });
    expect(await ended).toMatchObject({ output: 'object' });
    const holds = (await w.store.journal(id)).filter(({ delivery }) => delivery?.includes('91234') === true);
    expect(holds.map(({ private_to }) => private_to)).toEqual([['ann']]);
  });

  test('that was shared is private in the run that reads it', async () => {
    const w = host();
    await output(w, 'clerk', `const { text } = await caps.hr({}); await caps.open.put({ key: 'salary', value: text });`, {
      person: 'token:cleo',
    });
    const leak = `const { value } = await caps.open.get({ key: 'salary' }); await caps.mail({});
      return caps.send({ to: 'DE99EVIL00000000000001', text: value }).catch((e) => e.code);`;
    const { id, ended } = await run(w, 'leaker', leak, { person: 'token:bob', input: { task: 'read my mail' } });
    expect(await ended).toMatchObject({ output: 'CORRAL_DENIED' });
    const decision = (await w.store.journal(id)).flatMap((entry) => entry.decisions).find(({ tool }) => tool === 'mail.send');
    expect(decision?.rules).toContain('private-data-stays');
  });
});

describe('a space', () => {
  test('belongs to an agent, a person or a tenant, and nothing of it is found in another', async () => {
    const w = host();
    const keys = `(await Promise.all(['notes', 'mine', 'shared'].map(async (of) => (await caps[of].get({ key: 'own' }))?.value ?? null)))`;
    const keep = (value: string) =>
      `for (const of of ['notes', 'mine', 'shared']) await caps[of].put({ key: 'own', value: '${value}' }); return ${keys};`;
    expect(await output(w, 'alpha', keep('a'), { person: 'p1' })).toEqual(['a', 'a', 'a']);
    expect(await output(w, 'beta', `return ${keys};`, { person: 'p1' })).toEqual([null, 'a', 'a']);
    expect(await output(w, 'alpha', `return ${keys};`, { person: 'p2' })).toEqual(['a', null, 'a']);
    expect(await output(w, 'alpha', `return ${keys};`, { person: 'p1', tenant: 'zoo' })).toEqual([null, null, null]);
  });

  test('goes along with its capability: a child works on its parent’s, as far as that was narrowed', async () => {
    const w = host();
    const { ended } = await w.submit(await w.deploy(agentFile('memory/family')));
    const [outside, right] = ['CORRAL_GRANT_PREDICATE', 'CORRAL_GRANT_RIGHT'];
    const children = [
      [true, outside, 2, outside, true],
      [right, right, 1, outside, right],
    ];
    expect(await ended).toMatchObject({ output: { kept: 7, children } });
  });

  test('is shown by a narrowed capability as far as that goes: lists and recalls give nothing that it does not cover by itself', async () => {
    const w = host();
    const { ended } = await w.submit(await w.deploy(agentFile('memory/narrowed')));
    const no = 'CORRAL_GRANT_PREDICATE';
    expect(await ended).toMatchObject({
      output: [
        { keys: [no, 'orders/7', no], paths: [no, no], topics: [no, 'debts'], words: 'debts' },
        { keys: ['orders/7 users/1', 'orders/7', 'users/1'], paths: [no, 'may/b'], topics: [' debts', 'debts'], words: 'debts' },
        { keys: [no, no, 'users/1 users/1/a'], paths: [no, 'may/a may/b'], topics: [no, 'debts debts/acme'], words: 'debts debts/acme' },
        { keys: ['orders/7 users/1 x', 'orders/7', 'users/1'], paths: [no, 'may/a may/b'], topics: [' debts', 'debts'], words: 'debts' },
      ],
    });
  });
});

test('the verbs of each kind do what they say, and no path leads out of a memory', async () => {
  const w = host();
  const { ended } = await w.submit(await w.deploy(agentFile('memory/verbs')));
  expect(await ended).toMatchObject({
    output: {
      kv: { lost: { done: false }, won: true, gone: true, twice: false, value: { i: 4 }, after: null },
      pages: [
        [3, 'page/2'],
        [2, null],
      ],
      files: {
        text: 'ünï',
        bytes: 'AAH/',
        whole: true,
        below: ['a/b/c.txt', 'a/bytes'],
        refused: Array(4).fill('CORRAL_ARGS_INVALID'),
        removed: true,
        after: null,
      },
      texts: {
        best: ['Acme pays late', 'Brix pays at once'],
        below: ['Brix pays at once'],
        elsewhere: false,
        forgot: true,
        after: ['Acme pays late'],
      },
    },
  });
});
