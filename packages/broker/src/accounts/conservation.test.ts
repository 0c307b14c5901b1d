/**
 * Budgets are conserved: in families of runs that call, spawn, get answers, fail, lose replies and end, in random order.
 * Ledgers, decisions, purses and bills are the real ones; the test counts beside them what the tools really took.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Grants } from '@corral/policy/capability/grants';
import { CHARGED, type Cost } from '@corral/protocol/model/cost';
import type { Decision } from '@corral/protocol/model/decision';
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import { errorData } from '@corral/protocol/errors';
import type { GrantId, RunId } from '@corral/protocol/ids';
import { BUDGET_NAMES, DEFAULT_CEILINGS } from '@corral/protocol/limits';
import type { HostEvent, RunRecord } from '@corral/protocol/model/run';
import type { Tool, ToolResult } from '@corral/protocol/ports/tool';
import { NO_SPEND, type Spend } from '@corral/protocol/model/spend';
import { Accounts } from './accounts.ts';
import type { Dispatch } from '../effects/batch.ts';
import { decide } from '../effects/decide.ts';
import { Ledger } from '../ledger/ledger.ts';
import { Bill, reservedFor } from './price.ts';
import { wholeAmounts } from './spending.ts';
import { closeTally } from './tally.ts';

const CHANGING = { readOnly: false, idempotent: false, destructive: true, openWorld: true, repeatable: false, returns: 'trusted' } as const;
const ANYTHING: Tool['input'] = { schema: {}, check: (value) => ({ ok: true, value }) };
const tool = (name: string, annotations: Partial<Tool['annotations']>): Tool => ({
  name,
  description: name,
  input: ANYTHING,
  output: ANYTHING,
  annotations: { ...CHANGING, ...annotations },
  invoke: () => Promise.reject(new Error('nobody calls it here')),
});
const TOOLS: Record<string, Tool> = {
  // Like a model: every attempt costs.
  ask: tool('ask', { repeatable: true, costs: { tokens: 'most', money_micros: 7 } }),
  // A payment with a fee.
  pay: tool('pay', { money: 'amount', costs: { money_micros: 3 } }),
};
const USES = { ask: 'tool:ask', pay: 'tool:pay' } as const;
const SEED = {
  tenant: 't',
  agent: 'kid',
  principal: 'p',
  spawn_depth: 0,
  ceilings: { ...DEFAULT_CEILINGS, spawn_depth: 4 },
  header: { seed: '' },
};

const DAY_BOUNDS = { money_micros: 900, tokens: 1_300, calls: 12 };
const plus = (a: Spend, b: Spend): Spend => ({
  money_micros: a.money_micros + b.money_micros,
  tokens: a.tokens + b.tokens,
  calls: a.calls + b.calls,
});

/** A run of the family, with its journal and its open calls. */
interface Member {
  readonly ledger: Ledger;
  readonly parent: Member | undefined;
  readonly journal: (
    | { readonly delivery: Delivery; readonly bytes: number }
    | { readonly effect: Effect; readonly decision: Decision | undefined }
    | { readonly event: HostEvent }
  )[];
  readonly open: Dispatch[];
  over: boolean;
}

class Family {
  readonly members: Member[] = [];
  readonly real = { tokens: 0, money_micros: 0 };
  /** True while every tool has reported its exact cost and no call was lost. */
  exact = true;
  readonly #grants = new Grants();
  #drawn = 0;
  /** The accounts of one tenant. A day ends after every 20 effects. */
  readonly accounts = new Accounts(() => ({ day: DAY_BOUNDS }));
  /** The sums of each day, as the store would hold them. */
  readonly days = new Map<string, { spent: Spend; reserved: Spend }>();
  readonly #now = () => Math.floor(this.#drawn / 20) * 86_400_000;

  constructor(budget: RunRecord['budget']) {
    const caps = ['', 'ask', 'pay'].map((alias, cap) => {
      const id = `grant_root${cap}` as GrantId;
      const target =
        alias === '' ? { kind: 'mailbox' as const, run: 'run_root' as RunId } : { kind: 'tool' as const, tool: alias as never };
      this.#grants.add({
        id,
        parent: undefined,
        holder: 'run_root' as RunId,
        target,
        where: {},
        uses: undefined,
        expires_at: undefined,
        depth: 0,
      });
      return { alias, cap, grant: id };
    });
    this.#born({ ...SEED, id: 'run_root', budget, caps } as unknown as RunRecord, undefined);
  }

  #born(record: RunRecord, parent: Member | undefined): void {
    this.members.push({ ledger: new Ledger(record), parent, journal: [], open: [], over: false });
  }

  /** Counts the change as a commit of the run would. */
  post(member: Member): void {
    const change = this.accounts.postOf(member.ledger, this.#now())?.change;
    for (const { day, spent, reserved } of change?.days ?? []) {
      const before = this.days.get(day) ?? { spent: NO_SPEND, reserved: NO_SPEND };
      this.days.set(day, { spent: plus(before.spent, spent), reserved: plus(before.reserved, reserved) });
    }
  }

  effect(member: Member, effect: object): void {
    if (member.over) return;
    this.#drawn += 1;
    const { ledger } = member;
    const whole = { id: ledger.lastId + 1, ...effect } as Effect;
    const batch = decide(ledger, ledger.seq + 1, [whole], {
      reach: () => undefined,
      now: this.#now(),
      accounts: this.accounts,
      random: (n) =>
        createHash('sha256')
          .update(String((this.#drawn += 1)))
          .digest()
          .subarray(0, n),
      grants: this.#grants,
      tool: (name) => TOOLS[name],
      agent: () => ({ version: 'v', bundle: 'b', manifest: { spawns: ['kid'], uses: USES, ceilings: {}, budget: {} } }) as never,
      policies: undefined,
      digest: (text) => text,
    });
    assert.equal(batch.outcome, undefined);
    member.journal.push({ effect: whole, decision: batch.decisions[0] });
    for (const call of batch.dispatches) {
      const pending = ledger.pending.get(call.id);
      assert.equal(pending?.kind === 'call' ? pending.attempts : undefined, call.attempts);
      member.open.push(call);
    }
    for (const record of batch.spawned) this.#born(record, member);
    this.post(member);
  }

  #deliver(member: Member, delivery: Delivery): void {
    if (member.over) return;
    member.journal.push({ delivery, bytes: 0 });
    member.ledger.applyDelivery(delivery, 0);
    this.post(member);
  }

  #took(cost: Cost): void {
    this.real.tokens += cost.tokens ?? 0;
    this.real.money_micros += cost.money_micros ?? 0;
  }

  /** A cost that an attempt takes: the given share of the maximum. */
  #take(call: Dispatch, share: number, moves: boolean): Cost {
    const each = call.price?.each ?? {};
    const part = (most = 0) => Math.floor(most * share);
    const cost = { tokens: part(each.tokens), money_micros: part(each.money_micros) + (moves ? (call.price?.moves ?? 0) : 0) };
    this.#took(cost);
    return cost;
  }

  /** Makes the attempts of a call, up to its maximum, until one ends it. */
  answer(member: Member, which: number, tries: readonly Try[]): void {
    const [call] = member.open.splice(which % Math.max(1, member.open.length), 1);
    if (call === undefined || member.over) return;
    const bill = new Bill(call.price);
    const most = call.attempts ?? 1;
    for (const [i, { how, share, says }] of tries.slice(0, most).entries()) {
      const last = i === Math.min(tries.length, most) - 1;
      if (how === 'idle') {
        bill.attempted({ kind: 'failed', message: '', retryable: true });
        continue;
      }
      if (how === 'late' && !last && call.tool.annotations.repeatable) {
        this.#take(call, share, false);
        if (share < 1) this.exact = false;
        bill.attempted({ kind: 'timed_out', message: '' });
        continue;
      }
      const took = this.#take(call, share, how !== 'fails' || share > 0.5);
      if (!says) this.exact = false;
      const cost = says ? { cost: took } : {};
      bill.attempted((how === 'fails' ? { kind: 'failed', message: '', ...cost } : { kind: 'ok', value: 1, ...cost }) satisfies ToolResult);
      break;
    }
    const cost = bill.total === undefined ? {} : { cost: bill.total };
    this.#deliver(member, { kind: 'reply', at: 0, results: [{ id: call.id, value: 1, ...cost }] });
  }

  /** Loses the reply of a call; the ledger never learns how much the call took. */
  lose(member: Member, which: number, share: number): void {
    const [call] = member.open.splice(which % Math.max(1, member.open.length), 1);
    if (call === undefined || member.over) return;
    for (let i = 0; i < (call.attempts ?? 1); i++) this.#take(call, share, i === 0);
    this.exact = false;
    const event: HostEvent =
      share < 0.5
        ? { kind: 'unknown', id: call.id, message: 'lost', tell: true }
        : { kind: 'fenced', id: call.id, result: { id: call.id, error: errorData('CORRAL_REVOKED', 'taken back') } };
    member.journal.push({ event });
    member.ledger.applyEvent(event, 0);
    this.post(member);
  }

  end(member: Member): void {
    if (member.over || member.parent === undefined) return;
    for (const call of member.open) {
      this.#take(call, 1, true);
      this.exact &&= (call.attempts ?? 1) === 1;
    }
    // A grandchild that outlives its parent goes on spending what was moved to it.
    if (this.members.some((one) => one.parent === member && !one.over)) this.exact = false;
    const spent = wholeAmounts(member.ledger);
    member.over = true;
    closeTally(member.ledger, new Set());
    this.post(member);
    const id = Number(
      [...member.parent.ledger.pending.values()].find((one) => one.kind === 'child' && one.run === member.ledger.record.id)?.id,
    );
    const outcome = { kind: 'completed', output: null } as const;
    if (!Number.isNaN(id)) this.#deliver(member.parent, { kind: 'child_ended', at: 0, id, run: member.ledger.record.id, outcome, spent });
  }

  check(): void {
    const [root] = this.members;
    for (const { ledger } of this.members)
      for (const name of BUDGET_NAMES) assert.ok(ledger.purse.left(name) >= 0, `${name} of ${ledger.record.id}`);
    for (const name of CHARGED) assert.ok(this.real[name] <= (root?.ledger.record.budget[name] ?? 0), name);
    for (const [day, { spent, reserved }] of this.days)
      for (const [name, hard] of Object.entries(DAY_BOUNDS) as [keyof Spend, number][]) {
        assert.ok(spent[name] + reserved[name] <= hard, `${name} of ${day}: ${spent[name]} and ${reserved[name]} of ${hard}`);
        assert.ok(reserved[name] >= 0, `${name} of ${day}: ${reserved[name]} is reserved`);
      }
  }
}

interface Try {
  readonly how: 'ok' | 'fails' | 'idle' | 'late';
  readonly share: number;
  readonly says: boolean;
}
const share = fc.integer({ min: 0, max: 100 }).map((n) => n / 100);
const attempt: fc.Arbitrary<Try> = fc.record({ how: fc.constantFrom('ok', 'fails', 'idle', 'late'), share, says: fc.boolean() });
const who = fc.nat(30);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      who,
      most: fc.nat(400),
      attempts: fc.option(fc.integer({ min: 1, max: 5 })),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pay' as const), who, amount: fc.nat(600).map((n) => n / 1_000_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('spawn' as const), who, tokens: fc.nat(500), money_micros: fc.nat(500), rest: fc.boolean() }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      who,
      which: fc.nat(9),
      tries: fc.array(attempt, { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), who, which: fc.nat(9), share }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('end' as const), who }) },
);

function take(family: Family, one: typeof step extends fc.Arbitrary<infer T> ? T : never): void {
  // Answers and losses go to runs that have open calls.
  const busy = one.kind === 'answer' || one.kind === 'lose' ? family.members.filter(({ open }) => open.length > 0) : family.members;
  const member = busy[one.who % busy.length];
  if (member === undefined) return;
  switch (one.kind) {
    case 'ask':
      return family.effect(member, {
        kind: 'call',
        cap: 1,
        input: { most: one.most },
        ...(one.attempts === null ? {} : { retry: { attempts: one.attempts } }),
      });
    case 'pay':
      return family.effect(member, { kind: 'call', cap: 2, input: { amount: one.amount } });
    case 'spawn': {
      const budget = {
        calls: 5,
        children: 2,
        cpu_ms: 10,
        bytes: 2_000,
        money_micros: one.money_micros,
        ...(one.rest ? {} : { tokens: one.tokens }),
      };
      return family.effect(member, { kind: 'spawn', agent: 'kid', input: null, caps: { ask: { cap: 1 }, pay: { cap: 2 } }, budget });
    }
    case 'answer':
      return family.answer(member, one.which, one.tries);
    case 'lose':
      return family.lose(member, one.which, one.share);
    case 'end':
      return family.end(member);
  }
}

const BUDGET = { cpu_ms: 1_000, calls: 60, messages: 0, bytes: 20_000, children: 20, tokens: 3_000, money_micros: 2_000 };

test('a family of runs never takes more than its first member was given, and all that it was given is spent, left, or back', () => {
  let exact = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
      const family = new Family(BUDGET);
      for (const one of steps) {
        take(family, one);
        family.check();
      }
      // In the end all runs end, the youngest first.
      for (const member of family.members.toReversed()) {
        while (member.open.length > 0 && !member.over) family.answer(member, 0, [{ how: 'ok', share: 1, says: true }]);
        family.end(member);
        family.check();
      }
      const { purse } = (family.members[0] as Member).ledger;
      expect(purse.reserved()).toEqual({ ...purse.reserved(), calls: 0, tokens: 0, money_micros: 0, children: 0 });
      for (const name of CHARGED) {
        expect(purse.spent()[name] + purse.left(name)).toBe(BUDGET[name]);
        expect(purse.spent()[name]).toBeGreaterThanOrEqual(family.real[name]);
        expect(family.exact ? purse.spent()[name] : family.real[name]).toBe(family.real[name]);
      }
      // The accounts have the same sums as the purses, over all days.
      for (const name of CHARGED) {
        let [spent, reserved] = [0, 0];
        for (const day of family.days.values()) {
          spent += day.spent[name];
          reserved += day.reserved[name];
        }
        expect([name, spent, reserved]).toEqual([name, purse.spent()[name], 0]);
      }
      if (family.exact && family.real.money_micros > 0) exact += 1;
    }),
    { numRuns: 400 },
  );
  // Otherwise the exact sums were never compared.
  expect(exact).toBeGreaterThan(0);
});

test('a ledger that is read back from its journal, or was parked, has the purse it had', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
      const family = new Family(BUDGET);
      for (const one of steps) take(family, one);
      for (const { ledger, journal } of family.members) {
        const folded = new Ledger(ledger.record);
        for (const one of JSON.parse(JSON.stringify(journal)) as typeof journal)
          if ('delivery' in one) folded.applyDelivery(one.delivery, one.bytes);
          else if ('event' in one) folded.applyEvent(one.event, 0);
          else folded.applyEffect(one.effect, one.decision);
        const parked = new Ledger(ledger.record);
        parked.load(JSON.parse(JSON.stringify(ledger.save(0))) as ReturnType<Ledger['save']>);
        for (const other of [folded, parked]) {
          expect(other.purse.spent()).toEqual(ledger.purse.spent());
          expect(other.purse.reserved()).toEqual(ledger.purse.reserved());
          expect([...other.pending.values()].map((one) => [one.id, 'attempts' in one && one.attempts])).toEqual(
            [...ledger.pending.values()].map((one) => [one.id, 'attempts' in one && one.attempts]),
          );
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('what is reserved for a call pays for every attempt it may make, and for what it moves once', () => {
  expect(reservedFor({ each: { tokens: 10, money_micros: 2 }, moves: 100 }, 3)).toEqual({ tokens: 30, money_micros: 106 });
  expect(reservedFor({ each: {}, moves: 0 }, 3)).toEqual({});
});
