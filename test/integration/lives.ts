/** The random life of one run on a real broker: deliveries, cranks, cranks that are dropped, and what people do to it. */
import assert from 'node:assert/strict';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import { CLEAN, labelOf } from '@corral/policy/flow/labels';
import { Grants } from '@corral/policy/capability/grants';
import type { Delivery, PendingDelivery } from '@corral/protocol/wire/delivery';
import { errorData } from '@corral/protocol/errors';
import type { GrantId, RunId } from '@corral/protocol/ids';
import { BUDGET_NAMES, DEFAULT_CEILINGS } from '@corral/protocol/limits';
import type { Entry, HostEvent, RunRecord } from '@corral/protocol/model/run';
import type { Commit, Store } from '@corral/protocol/ports/store';
import { Accounts } from '@corral/broker/accounts/accounts';
import { Broker } from '@corral/broker/broker';
import type { BrokerPowers, BusEvents, Crank } from '@corral/broker/bus';
import { Behind } from '@corral/broker/commit/behind';
import { CrankDraft } from '@corral/broker/commit/draft';
import { DraftPolicies } from '@corral/broker/policies/draft-policies';
import { fieldsOf } from '../fields.ts';
import { Ledger } from '@corral/broker/ledger/ledger';
import { unanswered } from '@corral/broker/ledger/requests';
import { streamOf } from '@corral/broker/ledger/streams';
import { RunDetectors } from '@corral/broker/ledger/detectors';
import type { DecideContext } from '@corral/broker/effects/context';
import type { History, Policies } from '@corral/broker/policies/port';

import { MAKERS, NAMES, TOOLS, type Wish } from './wishes.ts';

const RUN = 'run_a' as RunId;
const PEER = 'run_b' as RunId;

/** History of what agents did, in memory alone. */
class Memory implements History {
  readonly facts = new Map<string, number>();
  used = (tenant: string, version: string, name: string) => this.facts.has(`${tenant} ${version} ${name}`);
  reached = (_: string, agent: string, destination: string) => this.facts.has(`${agent} ${destination}`);
  moved = (_: string, agent: string) => this.facts.get(agent) ?? 0;
  met = (tenant: string, version: string, name: string) => void this.facts.set(`${tenant} ${version} ${name}`, 0);
  note: History['note'] = ({ tenant, agent }, version, { name }, input) => {
    this.facts.set(`${tenant} ${version} ${name}`, 0);
    const { to, amount } = input as { to?: string; amount?: number };
    if (to !== undefined) this.facts.set(`${agent} ${to}`, 0);
    if (typeof amount === 'number') this.facts.set(agent, Math.max(amount, this.moved(tenant, agent)));
  };
}

/** Denies, asks people and looks at where arguments came from: each call is decided by what the run has done before. */
const decideBy: PolicyInForce['decide'] = ({ action, context }) => {
  const { flow, call, budget } = context;
  const name = action.kind === 'call' ? action.name : action.kind;
  const asks = name === 'pay' && (flow.untrusted_influence || call.first_use);
  const denied = (name === 'mail' && flow.carries_private) || call.last_minute > 9 || budget.calls < 3;
  const verdict = { reasons: [], errors: [], policy_version: '1' };
  if (denied) return { ...verdict, decision: 'deny' } as never;
  return (
    asks ? { ...verdict, decision: 'deny', consequence: 'approval', quorum: 1 + (call.bytes % 2) } : { ...verdict, decision: 'allow' }
  ) as never;
};

export interface Step {
  readonly what: 'crank' | 'event';
  readonly n: number;
  readonly m: number;
  readonly wishes: readonly Wish[];
  /** After how many effects the crank is dropped before it is made; null: it is not dropped. */
  readonly drops: number | null;
}

export class Life {
  readonly journal: Entry[] = [];
  readonly grants = new Grants();
  readonly history = new Memory();
  readonly shadowed: unknown[] = [];
  readonly accounts = new Accounts(() => ({ day: { money_micros: 900_000, tokens: 500, calls: 60 } }));
  readonly run: { ledger: Ledger; agents: never; epoch: number; control: 'none'; behind: Behind<Crank>; outcome: undefined };
  readonly #record: RunRecord;
  readonly #broker: Broker;
  readonly #powers: BrokerPowers;
  readonly #open: string[] = [];
  #now = 1_000_000;
  #drawn = 0;
  #inbox = 0;
  #begun = false;
  over = false;

  constructor() {
    const grant = (id: string, target: object, more: object = {}) =>
      ({
        id: `grant_${id}`,
        parent: undefined,
        holder: RUN,
        target,
        where: {},
        uses: undefined,
        expires_at: undefined,
        depth: 0,
        ...more,
      }) as never;
    this.grants.add(grant('own', { kind: 'mailbox', run: RUN, agent: 'a' }));
    for (const name of NAMES) {
      // The first one of each is somebody else's, and what is used of it is used for both.
      this.grants.add(grant(`of_${name}`, { kind: 'tool', tool: name }, { holder: PEER, uses: 40, rate: { per_minute: 60 } }));
      this.grants.add(grant(name, { kind: 'tool', tool: name }, { parent: `grant_of_${name}`, depth: 1, bytes: 5_000 }));
    }
    this.grants.add(grant('peer', { kind: 'mailbox', run: PEER, agent: 'b' }));
    const record = {
      id: RUN,
      tenant: 't',
      agent: 'a',
      version: 'v',
      bundle: 'b',
      principal: 'user:1',
      parent: undefined,
      spawn_depth: 0,
      input: null,
      header: { seed: '' },
      ceilings: DEFAULT_CEILINGS,
      budget: { ...Object.fromEntries(BUDGET_NAMES.map((name) => [name, 1_000_000])), calls: 80 },
      caps: ['own', ...NAMES, 'peer'].map((alias, cap) => ({ alias, cap, grant: `grant_${alias}` as GrantId })),
      created_at: 0,
    } as unknown as RunRecord;
    this.#record = record;
    const agent = (spawns: string[]) => ({
      manifest: { name: 'kid', spawns, uses: {}, ceilings: {}, budget: {} },
      version: 'k',
      bundle: 'b',
    });
    const agents = new Map(Object.entries({ a: agent(['kid']), kid: agent([]) })) as never;
    const ledger = new Ledger(record, true, new RunDetectors());
    this.run = { ledger, agents, epoch: 1, control: 'none', behind: new Behind(), outcome: undefined };
    const policies: Policies = {
      current: {
        decide: decideBy,
        decideBy: (subject: never, action: never, gather: () => object) => decideBy({ ...gather(), subject, action } as never),
        // Nobody looks at answers, so streams are not held back.
        inspects: () => [],
        concerns: () => false,
        measures: () => false,
      } as never,
      history: this.history,
      roles: () => [],
      shadow: (decided) => void this.shadowed.push(decided.id),
    };
    this.#powers = {
      store: { commit: (commit: Commit) => this.#commit(commit), keep: () => Promise.resolve() } as unknown as Store,
      clock: { now: () => this.#now, monotonic: () => this.#now, after: () => () => undefined },
      // Five bits of each byte get into an id, and no id may come twice.
      random: (n) => {
        this.#drawn += 1;
        return new Uint8Array(n).map((_, i) => (this.#drawn / 32 ** i) % 32);
      },
      grants: this.grants,
      policies: () => policies,
      digest: (text) => text,
      tool: (_, name) => TOOLS[name],
      accounts: this.accounts,
      reach: () => undefined,
    };
    const events = new Proxy({}, { get: () => () => undefined }) as BusEvents;
    this.#broker = new Broker(this.#powers, events);
  }

  #commit({ entry, outbox }: Commit) {
    this.journal.push(JSON.parse(JSON.stringify(entry)) as Entry);
    return Promise.resolve({ delivered: outbox.map(() => 1) } as never);
  }

  take(step: Step): void {
    this.#now += 1 + (step.n % 4_000);
    if (step.what === 'event' && this.#begun) return this.#happens(step);
    const delivery = this.#next(step);
    if (delivery === undefined) return;
    const effects = this.#effects(delivery, step.wishes);
    const deliveryText = JSON.stringify({ ...delivery, at: this.#now });
    const inbox = delivery.kind === 'message' ? (this.#inbox += 1) : undefined;
    const crank: Crank = {
      delivery: JSON.parse(deliveryText) as Delivery,
      deliveryText,
      inbox,
      effectsText: JSON.stringify(effects),
      cpu_us: 1_000 * (step.m % 7),
    };
    if (step.drops !== null) this.#drop(crank, step.drops);
    this.#begun = true;
    this.#broker.crank(this.run, crank, {
      taken: (outcome) => (this.over = outcome !== undefined),
      failed: (error) => {
        throw error;
      },
      stopped: () => undefined,
      after: () => undefined,
    });
  }

  /** Everything that deciding may change. */
  get all(): unknown {
    const { grants, accounts, history, shadowed } = this;
    return fieldsOf({ ledger: this.run.ledger, grants, accounts, history, shadowed }, (path) => /(^|\.)(conditions|#parts)$/.test(path));
  }

  #drop(crank: Crank, effects: number): void {
    const before = this.all;
    const policies = new DraftPolicies(this.#powers.policies?.('t' as never) as Policies);
    const { grants, random, digest } = this.#powers;
    const context: DecideContext = {
      grants,
      random,
      digest,
      accounts: this.accounts,
      now: this.#now,
      policies,
      tool: (name) => TOOLS[name],
      agent: (name) => (this.run.agents as Map<string, never>).get(name),
      reach: () => undefined,
    };
    const draft = new CrankDraft(this.run, crank, context, policies);
    if (draft.go(effects)) {
      // Others have their turn before the rest is decided.
      draft.wait();
      this.accounts.hold(draft.books)?.();
    } else draft.finish(0, false);
    draft.drop();
    assert.deepEqual(this.all, before);
  }

  /** The next delivery: an answer to something that the run waits for, or a message. */
  #next({ n, m }: Step): PendingDelivery | undefined {
    const { ledger } = this.run;
    const start = {
      kind: 'start',
      run: RUN,
      input: { task: 'pay somebody1@example.com, and mail friends' },
      caps: {},
      budget: {},
    } as const;
    if (!this.#begun || (ledger.flow === undefined && ledger.checkpoint !== undefined)) return start;
    if (ledger.control !== 'none') return undefined;
    if (ledger.cancelled?.told === false) return { kind: 'cancel', reason: 'enough' };
    if (ledger.loops?.notice !== undefined) return ledger.loops.notice;
    const waiting = [...ledger.pending.values()].filter(({ kind }) => kind !== 'approval');
    const one = waiting[n % (waiting.length + 1)];
    const words = `ref A${m % 50}-77${m % 13} from somebody${m % 9}@example.com says hello to everybody there`;
    switch (one?.kind) {
      case undefined: {
        const request = m % 3 === 0 ? { request: m } : {};
        if (m % 3 === 0) this.#open.push(`${PEER}:${m}`);
        const label = m % 2 === 0 ? labelOf('web', { untrusted: true }) : CLEAN;
        const caps = m % 5 === 0 ? { caps: [{ alias: 'x', kind: 'tool' as const, name: 'know', grant: 'grant_given' as GrantId }] } : {};
        return { kind: 'message', from: { run: PEER, agent: 'b' as never }, body: { words }, depth: m % 4, label, ...request, ...caps };
      }
      case 'call':
        if (one.state === 'unknown') return undefined;
        if (one.stream?.asked === true && m % 3 > 0)
          return { kind: 'chunk', id: one.id, offset: one.stream.parts, parts: [{ type: 'text', delta: words }, words.slice(0, n % 60)] };
        if (m % 5 === 0)
          return { kind: 'reply', results: [{ id: one.id, error: errorData('CORRAL_TOOL_FAILED', words, { call: one.id }) }] };
        return {
          kind: 'reply',
          results: [{ id: one.id, value: { words, n: m }, ...(one.as_handle === true ? { handle: { kind: 'text' } as never } : {}) }],
        };
      case 'request':
        return { kind: 'reply', results: [{ id: one.id, value: words }], depth: m % 4, label: labelOf('web', { untrusted: m % 2 === 0 }) };
      case 'timer':
        return { kind: 'timer', id: one.id };
      case 'child':
        return {
          kind: 'child_ended',
          id: one.id,
          run: one.run,
          outcome: { kind: 'completed', output: words },
          spent: { calls: 1, cpu_ms: 2 },
        };
      default:
        return (one as { delivery: PendingDelivery }).delivery;
    }
  }

  #effects(delivery: PendingDelivery, wishes: readonly Wish[]): object[] {
    const { ledger } = this.run;
    // The first thing that it is given while it waits for nothing.
    if (delivery.kind === 'message' && ledger.pending.size === 0) return [{ kind: 'checkpoint', state: { id: ledger.lastId } }];
    let id = ledger.lastId;
    const streams = [...ledger.pending.values()].flatMap((one) => (streamOf(one) === undefined ? [] : [one.id]));
    const made = wishes.flatMap(({ kind, n, m }) => {
      const { handles } = ledger;
      const given = handles.next > 1;
      const handle = 1 + (n % Math.max(1, handles.next - 1));
      const next = () => (id += 1);
      const asked = () => this.#open.shift();
      return MAKERS[kind]({ kind, n, m, last: id, next, handle: given ? handle : undefined, asked, streams, caps: ledger.nextCap });
    });
    return made;
  }

  #happens({ n, m }: Step): void {
    const { ledger } = this.run;
    const tell = (event: HostEvent) => void this.#broker.record(this.run, event);
    if (ledger.control !== 'none') return tell({ kind: 'control', control: 'none', by: 'user:1', reason: '' });
    const waiting = [...ledger.pending.values()];
    // Few calls are lost, and a person says of most of them what came of them.
    const lost = waiting.find((each) => each.kind === 'call' && each.state === 'unknown');
    const one = lost !== undefined && n % 4 > 0 ? lost : waiting[n % (waiting.length + 2)];
    if (one?.kind === 'approval') {
      const verdict = (['approve', 'approve', 'deny', 'expired'] as const)[m % 4] as 'approve';
      return tell({ kind: 'approval', id: one.id, by: `user:${m % 2}`, verdict, reason: '' });
    }
    if (one?.kind === 'call' && one.state === 'unknown') {
      const how = { id: one.id, by: 'user:1', reason: '' };
      if (m % 2 === 0) return tell({ kind: 'resolved', ...how, how: 'retry', again: { money_micros: 3 } });
      return tell({ kind: 'resolved', ...how, how: 'result', result: { id: one.id, value: { words: 'as a person says' } } });
    }
    if (one?.kind === 'call' && m % 4 < 2) return tell({ kind: 'unknown', id: one.id, message: 'lost', tell: m % 4 === 0 });
    if (one?.kind === 'call' && m % 4 === 2) return tell({ kind: 'fenced', id: one.id, result: { id: one.id, value: 1 } });
    if (one?.kind === 'request') return tell({ kind: 'unanswered', id: one.id, result: unanswered(one.id, 'CORRAL_TIMED_OUT', 'late') });
    if (one === undefined && m % 3 === 0) return tell({ kind: 'control', control: 'paused', by: 'user:1', reason: '' });
    if (one === undefined && m % 3 === 1 && ledger.cancelled === undefined)
      return tell({ kind: 'cancel', by: 'user:1', reason: 'enough', grace_ms: 100 });
    if (one === undefined)
      return tell({
        kind: 'step',
        step: m % 2 === 0 ? 'notice' : 'slow',
        position: ledger.loops?.position ?? 0,
        because: [{ detector: 'cycle', confidence: 1, text: 'again', entries: [1], subjects: [], figures: {} }],
      } as never);
  }

  fold(): Ledger {
    const ledger = new Ledger(this.#record, true, new RunDetectors());
    for (const entry of this.journal) ledger.apply(entry);
    return ledger;
  }
}
