/**
 * Approvals and accounts: a call that waited for people pays on the day on which the last of them approves it, and no hard bound is
 * passed by that, for whichever run it was asked and however long it waited.
 */
import { describe, expect, test } from 'vitest';
import type { PrincipalId, RunId } from '@corral/protocol/ids';
import { MICROS } from '@corral/protocol/limits';
import { dayOf } from '@corral/protocol/model/spend';
import { realClock, type SupervisorOptions } from '@corral/supervisor';
import { asked, FREE, outputOf, policies } from './payments.ts';
import { tool, world, type World, type WorldOptions } from '../world.ts';

const CENT = MICROS / 100;
const DAY_MS = 86_400_000;
const DAY = dayOf(realClock.now());
const NEXT = dayOf(realClock.now() + DAY_MS);
const BUYER = `{ name: 'buyer', uses: { pay: 'tool:pay', tip: 'tool:tip' }, async run({ input, caps }) {
  return (input.tip ? caps.tip : caps.pay)({ amount: input.amount }).catch((error) => error.code); } }`;
const asking = (quorum: number) =>
  `${FREE}\n@id("dear") @consequence("approval") @quorum("${quorum}") forbid (principal, action == Action::"tool:pay", resource);`;
type Spend = NonNullable<SupervisorOptions['tenants'][string]['spend']>;

/** A host on which people are asked about payments and not about tips, with a clock that may be put forward. */
async function shop(spend: Spend, { quorum = 1, ...options }: WorldOptions & { readonly quorum?: number } = {}) {
  let ahead = 0;
  let paid = 0;
  const moving = (name: string) =>
    tool(
      name,
      ({ amount }) => {
        paid += Math.round(Number(amount) * MICROS);
        return 'paid';
      },
      { money: 'amount' },
    );
  const tools = [moving('pay'), moving('tip')];
  const tenants = (own: Spend) => ({ crew: { tools, policies: { current: policies(tools, asking(quorum)) }, spend: own } });
  const host = { clock: { ...realClock, now: () => realClock.now() + ahead }, tenants: tenants(spend), approval_ms: 40 * DAY_MS };
  const w = await world(tools, { ...host, ...options });
  const version = await w.deploy(BUYER);
  const submit = (amount: number, tip = false) => w.submit(version, { amount, tip }, { ceilings: { wall_ms: 7 * DAY_MS } });
  return {
    w,
    submit,
    forward: (ms: number) => void (ahead += ms),
    paid: () => paid,
    bound: (own: Spend) => w.supervisor.configure(tenants(own)),
    again: () => world(tools, { ...host, folder: w.folder }),
  };
}

const daily = (hard: number): Spend => ({ day: { money_micros: { hard } } });
const days = async ({ store }: World, account = 'tenant crew') => {
  const rows = (await store.spend({ from: '2000-01-01' })).filter(({ kind, name }) => `${kind} ${name}` === account);
  const held = rows.filter(({ spent, reserved }) => spent.money_micros + reserved.money_micros > 0);
  return Object.fromEntries(held.map(({ day, spent, reserved }) => [day, [spent.money_micros, reserved.money_micros]]));
};
const approve = (w: World, id: RunId, call: number, by = 'boss') => w.supervisor.control.decide(id, call, by, 'approve', '');
const payingDays = async (w: World, id: RunId) =>
  (await w.store.journal(id)).flatMap(({ event }) => (event?.kind === 'approval' ? [event.day] : []));
const exceeded = { code: 'CORRAL_SPEND_EXCEEDED' };

describe('a call that people approve', () => {
  test('on a later day pays on that day, and its own day has back what it had reserved', async () => {
    const { w, submit, forward } = await shop(daily(5 * CENT));
    const { id, ended } = await submit(0.05);
    const { call } = await asked(w);
    expect(await days(w)).toEqual({ [DAY]: [0, 5 * CENT] });
    forward(DAY_MS);
    await approve(w, id, call);
    expect(outputOf(await ended)).toBe('paid');
    expect([await days(w), await payingDays(w, id)]).toEqual([{ [NEXT]: [5 * CENT, 0] }, [NEXT]]);
  });

  test('on the day on which it was asked for pays on that day, and its journal names no other', async () => {
    const { w, submit } = await shop(daily(5 * CENT));
    const { id, ended } = await submit(0.05);
    await approve(w, id, (await asked(w)).call);
    expect(outputOf(await ended)).toBe('paid');
    expect([await days(w), await payingDays(w, id)]).toEqual([{ [DAY]: [5 * CENT, 0] }, [undefined]]);
  });

  test('on a day that cannot pay waits on, and is made once its bound is raised', async () => {
    const { w, submit, forward, paid, bound } = await shop(daily(5 * CENT), { quorum: 2 });
    const { id, ended } = await submit(0.05);
    const { call } = await asked(w);
    forward(DAY_MS);
    expect(outputOf(await (await submit(0.02, true)).ended)).toBe('paid');
    await approve(w, id, call, 'ana');
    const why = { ...exceeded, limit: 'tenant.day.money_micros', message: expect.stringContaining(`for ${NEXT}`) as string };
    await expect(approve(w, id, call, 'ben')).rejects.toMatchObject(why);
    expect([paid(), await days(w)]).toEqual([2 * CENT, { [DAY]: [0, 5 * CENT], [NEXT]: [2 * CENT, 0] }]);
    expect(await w.supervisor.approvals()).toMatchObject([{ run: id, approved_by: ['ana'] }]);
    bound(daily(7 * CENT));
    await approve(w, id, call, 'ben');
    expect(outputOf(await ended)).toBe('paid');
    expect([await days(w), await payingDays(w, id)]).toEqual([{ [NEXT]: [7 * CENT, 0] }, [undefined, NEXT]]);
  });

  test('waits on too where the bound of its own day was lowered below what is reserved', async () => {
    const { w, submit, paid, bound } = await shop(daily(5 * CENT));
    const { id } = await submit(0.05);
    const { call } = await asked(w);
    bound(daily(4 * CENT));
    await expect(approve(w, id, call)).rejects.toMatchObject(exceeded);
    expect([paid(), await days(w)]).toEqual([0, { [DAY]: [0, 5 * CENT] }]);
  });

  test('counts once for a month in which it was both asked for and approved', async () => {
    const { w, submit, forward } = await shop({ month: { money_micros: { hard: 5 * CENT } } });
    const { id, ended } = await submit(0.05);
    const { call } = await asked(w);
    // On the last day of a month, the next one pays.
    forward(DAY_MS);
    await approve(w, id, call);
    expect(outputOf(await ended)).toBe('paid');
    expect(await days(w)).toEqual({ [NEXT]: [5 * CENT, 0] });
  });

  test('in a fork pays of the accounts of whoever forked, and waits on where they cannot', async () => {
    const { w, submit, paid } = await shop({ people: { ann: { day: { money_micros: 6 * CENT } } } });
    const { id } = await submit(0.05);
    const { call } = await asked(w);
    const fork = () => w.supervisor.fork({ run: id, at: 2, by: 'ann' as PrincipalId });
    const [first, second] = [await fork(), await fork()];
    expect(await days(w, 'person ann')).toEqual({});
    await approve(w, first.id, call);
    expect(outputOf(await first.ended)).toBe('paid');
    await expect(approve(w, second.id, call)).rejects.toMatchObject({ ...exceeded, limit: 'person.day.money_micros' });
    expect([paid(), await days(w, 'person ann'), await payingDays(w, first.id)]).toEqual([5 * CENT, { [DAY]: [5 * CENT, 0] }, [DAY]]);
  });

  test('on a host that has started again, or before another one takes its run up, pays on the day of the approval', async () => {
    const { w, submit, forward, again, paid } = await shop(daily(5 * CENT));
    const { id } = await submit(0.05);
    const { call } = await asked(w);
    await w.close();
    forward(DAY_MS);
    const next = await again();
    await approve(next, id, call);
    await next.until(id, (view) => view === undefined || view.lifecycle === 'ended');
    await next.close();
    const last = await again();
    expect([paid(), await days(last), await payingDays(last, id)]).toEqual([5 * CENT, { [NEXT]: [5 * CENT, 0] }, [NEXT]]);
    // The mirror in memory knows it too: nothing is left of that day.
    await expect(last.submit(await last.deploy(BUYER), { amount: 0.01, tip: true })).rejects.toMatchObject(exceeded);
  });
});
