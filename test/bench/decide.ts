/**
 * Measures one decision. `decide`: everything that the broker does with a call, from the effect to the verdict in the ledger: capability,
 * schema, purse, grants, provenance, labels, policies, loop hook. `policy`: only the policies, from request to verdict. The floor of both
 * is Cedar's own engine on the same requests with parsed policies; it does less, because its context is gathered, checked and converted
 * beforehand.
 */
import { createHash } from 'node:crypto';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import * as z from 'zod';
import { decide as decideCrank } from '@corral/broker/effects/decide';
import { Ledger } from '@corral/broker/ledger/ledger';
import { RunDetectors } from '@corral/broker/ledger/detectors';
import { actionName, catalog, subjectOf } from '@corral/policy/cedar/catalog';
import { QUIET } from '@corral/policy/cedar/cases';
import { jsonFrom } from '@corral/policy/cedar/entities';
import type { PolicyRequest } from '@corral/policy/cedar/request';
import { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { Verdict } from '@corral/policy/cedar/verdict';
import { Grants } from '@corral/policy/capability/grants';
import type { CallEffect } from '@corral/protocol/wire/effect';
import type { Grant } from '@corral/protocol/model/grant';
import type { GrantId, RunId } from '@corral/protocol/ids';
import { DEFAULT_BUDGET, DEFAULT_CEILINGS } from '@corral/protocol/limits';
import type { RunRecord } from '@corral/protocol/model/run';
import { inlineTool } from '@corral/tools/define';
import { durations, type Figure } from './measure.ts';
import { policies, TARGETS } from './policies.ts';
import type { DecideContext } from '@corral/broker/effects/context';
import type { History } from '@corral/broker/policies/port';

const SIZES = [10, 100, 1_000];
const ROUND = 50;
const digest = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const hosts = catalog({ targets: TARGETS });
const load = (count: number) =>
  PolicyInForce.load({ engine: cedar, catalog: hosts, sources: [{ file: 'bench.cedar', text: policies(count) }], digest, sample_every: 0 });

/** Prepares the requests for Cedar's engine, and checks that its answers agree with the closures. */
function floorOf(policy: PolicyInForce, requests: readonly PolicyRequest[]): () => Promise<number[]> {
  const calls = requests.map((request) => {
    const { principal, action, resource, entities, person } = hosts.entities(request.subject, request.action);
    const read = hosts.contextReader(actionName(request.action));
    const context = { ...(jsonFrom(read?.(request.context, request.args) ?? {}) as object), person: { __entity: person } };
    return { principal, action, resource, entities, context, preparsedPolicySetId: 'bench' };
  });
  cedar.preparsePolicySet('bench', { staticPolicies: Object.fromEntries(policy.policies.map(({ id, source }) => [id, source.text])) });
  for (const [i, call] of calls.entries()) {
    const answer = cedar.statefulIsAuthorized(call);
    const verdict = policy.decide(requests[i] as PolicyRequest);
    if (answer.type === 'failure' || answer.response.decision !== verdict.decision) throw new Error('closures and engine disagree');
  }
  return async () =>
    calls.map((call) => {
      const began = performance.now();
      cedar.statefulIsAuthorized(call);
      return (performance.now() - began) * 1_000;
    });
}

export async function decide(): Promise<Figure[]> {
  const results: Figure[] = [];
  for (const count of SIZES) results.push(await alone(count));
  for (const count of SIZES) results.push(await whole(count, 1, 60));
  // The cost of tracing depends on the size of the arguments, and hardly on the size of what was read.
  results.push(await whole(100, 64, 60), await whole(100, 64, 1_000));
  return results;
}

/** Measures only the policies, on requests of many tenants and agents. Timed in rounds, since one decision is too short for the clock. */
async function alone(count: number): Promise<Figure> {
  const all: PolicyRequest[] = Array.from({ length: 200 }, (_, i) => ({
    subject: subjectOf({
      tenant: `tenant${i % 4}`,
      agent: `agent${i % 10}`,
      version: 'sha256:0',
      person: `user:${i % 3}`,
      roles: ['buyer'],
      owner: 'user:0',
    }),
    action: { kind: 'call', target: 'tool', name: `tool${i % 20}` },
    args: { to: `someone${i}@example.com`, amount: i, tags: ['a', 'b', 'c'] },
    context: {
      ...QUIET,
      now: QUIET.now + i,
      flow: { ...QUIET.flow, untrusted_input: i % 2 === 0, destination_origin: 'user', first_time_destination: false },
      labels: { integrity: ['tool:web', 'user:0'], confidentiality: [] },
      call: { ...QUIET.call, bytes: 80, amount: i + 0.5, amount_day: i * 3 },
    },
  }));
  const policy = load(count);
  const floor = floorOf(policy, all);
  const figure = async () => {
    const samples: number[] = [];
    for (let round = 0; round < 400; round++) {
      const began = performance.now();
      for (let i = 0; i < ROUND; i++) policy.decide(all[(round * ROUND + i) % all.length] as PolicyRequest);
      samples.push(((performance.now() - began) * 1_000) / ROUND);
    }
    return samples;
  };
  await figure();
  const live = Math.max(...all.map(({ subject, action }) => policy.residualSize(subject, action)));
  return durations(`policy ${count} policies`, 5, figure, floor, {
    unit: 'µs',
    note: `at most ${live} of ${count} policies left after partial evaluation; args ~60 B; floor: Cedar WASM, policies preparsed`,
  });
}

const RUN = 'run_000000000001' as RunId;
const STEP_MS = 20_000;
/** Everything was done before, so that the usual decision of a run is measured. */
const HISTORY: History = { used: () => true, reached: () => true, moved: () => 1e6, met: () => true, note: () => undefined };

/**
 * A run with twenty tools through grants of depth three, one of them with a predicate and one with a count, which has read untrusted
 * text.
 */
function begin(policy: PolicyInForce, tainted_kib: number) {
  const tools = new Map(
    TARGETS.map(({ name, annotations }) => [
      name,
      inlineTool({
        name,
        description: name,
        input: z.object({ to: z.string(), amount: z.number(), tags: z.array(z.string()), note: z.string().optional() }),
        output: z.object({ text: z.string() }),
        annotations: { ...annotations, destinations: ['to'], money: 'amount' },
        run: () => ({ text: '' }),
      }),
    ]),
  );
  const grants = new Grants();
  const caps = [...tools.keys()].slice(0, 20).map((name, i) => {
    const id = (level: number) => `grant_${String(level).padStart(2, '0')}${String(i).padStart(10, '0')}` as GrantId;
    const root: Grant = {
      id: id(0),
      parent: undefined,
      holder: RUN,
      target: { kind: 'tool', tool: name as never },
      where: {},
      uses: undefined,
      expires_at: undefined,
      depth: 0,
    };
    grants.add(root);
    grants.add({ ...root, id: id(1), parent: id(0), depth: 1, where: { amount: { max: 1_000_000 } } });
    grants.add({ ...root, id: id(2), parent: id(1), depth: 2, uses: 1e9 });
    return { alias: name, cap: i + 1, grant: id(2) };
  });
  const input = { task: 'Send the usual amounts to everybody at example.com.', to: Array.from({ length: 64 }, (_, i) => address(i)) };
  const record = {
    id: RUN,
    tenant: 'tenant1',
    agent: 'agent1',
    version: digest('version'),
    bundle: digest(''),
    principal: 'user:1',
    parent: undefined,
    spawn_depth: 0,
    input,
    header: { seed: '', image: '', node: '', v8: '', icu: '' },
    ceilings: { ...DEFAULT_CEILINGS, effects: 1e9 },
    budget: Object.fromEntries(Object.keys(DEFAULT_BUDGET).map((name) => [name, 1e15])),
    caps,
    created_at: 0,
  } as unknown as RunRecord;
  const asked: PolicyRequest[] = [];
  // Records the requests to the policies, for the floor.
  const current = Object.assign(Object.create(null), {
    decide: (request: PolicyRequest): Verdict => {
      if (asked.length < 200) asked.push(structuredClone(request));
      return policy.decide(request);
    },
  }) as PolicyInForce;
  const ledger = new Ledger(record, true, new RunDetectors());
  let now = STEP_MS;
  ledger.applyDelivery({ kind: 'start', at: now, run: RUN, input, caps: {}, budget: {} }, 0);
  const context = (watched: boolean): DecideContext => ({
    now,
    random: (n) => new Uint8Array(n),
    grants,
    tool: (name) => tools.get(name),
    agent: () => undefined,
    reach: () => undefined,
    policies: { current: watched ? current : policy, history: HISTORY, roles: () => ['buyer'] },
    digest,
  });
  let calls = 0;
  const effects = (argument_bytes: number): CallEffect[] =>
    Array.from({ length: ROUND }, (_, i) => {
      const n = (calls += 1);
      const note = argument_bytes <= 60 ? {} : { note: `note ${n} `.repeat(Math.ceil(argument_bytes / 10)).slice(0, argument_bytes - 60) };
      return {
        kind: 'call',
        id: ledger.lastId + 1 + i,
        cap: 1 + (n % 20),
        input: { to: address(n % 64), amount: n % 700, tags: [`a${n}`, 'b', 'c'], ...note },
      };
    });
  /** Answers all calls under way, and lets enough time pass for rules about rates. */
  const answer = (text: string) => {
    now += STEP_MS;
    const results = [...ledger.pending.keys()].map((id, i) => ({ id, value: { text: i === 0 ? text : `sent ${id}` } }));
    ledger.applyDelivery({ kind: 'reply', at: now, results }, 0);
    ledger.loops?.settle();
  };
  decideCrank(ledger, 1, effects(60), context(true));
  answer(strangers(tainted_kib));
  return { ledger, context, effects, answer, asked };
}
const address = (n: number) => `someone${n}@example.com`;
/** Text like mail of strangers: words, addresses and numbers without repetition. */
const strangers = (kib: number) =>
  Array.from({ length: kib * 16 }, (_, i) =>
    `Dear ${i}, write to person${i}@mail${i}.org, ref ${i * 7919}, kind regards. `.padEnd(64),
  ).join('');

async function whole(count: number, tainted_kib: number, argument_bytes: number): Promise<Figure> {
  const policy = load(count);
  const { ledger, context, effects, answer, asked } = begin(policy, tainted_kib);
  const round = (watched: boolean): number => {
    const crank = effects(argument_bytes);
    const at = context(watched);
    const began = performance.now();
    const { decisions, outcome } = decideCrank(ledger, 2, crank, at);
    const took = performance.now() - began;
    const refused = decisions.find(({ verdict }) => verdict !== 'allow');
    if (outcome !== undefined || refused !== undefined) throw new Error(JSON.stringify(outcome ?? refused));
    answer('');
    return (took * 1_000) / ROUND;
  };
  asked.length = 0;
  for (let i = 0; i < 4; i++) round(true);
  const floor = floorOf(policy, asked);
  const figure = async () => Array.from({ length: 100 }, () => round(false));
  await figure();
  return durations(`decide ${count} policies`, 5, figure, floor, {
    unit: 'µs',
    note: `effect to verdict: schema, purse, grants of depth 3, provenance, labels, policies, loop hook; args ${argument_bytes} B, ${tainted_kib} KiB of tainted text; floor: Cedar WASM, policies preparsed`,
  });
}
