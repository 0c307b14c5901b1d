/**
 * Judges recorded runs with the default pack through the broker: each recorded call becomes an effect that the broker decides, with the
 * real ledger, grants, labels and policies; each recorded result becomes a delivery. Only the tools are stubs that return what was
 * recorded.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import * as z from 'zod';
import { decide } from '@corral/broker/effects/decide';
import { factsOf } from '@corral/broker/policies/evaluate';
import { Ledger } from '@corral/broker/ledger/ledger';
import { catalog } from '@corral/policy/cedar/catalog';
import { PolicyInForce } from '@corral/policy/cedar/in-force';
import { deedOf } from '@corral/policy/flow/intent';
import { Grants } from '@corral/policy/capability/grants';
import type { Decision } from '@corral/protocol/model/decision';
import type { Grant } from '@corral/protocol/model/grant';
import type { GrantId, RunId } from '@corral/protocol/ids';
import { DEFAULT_BUDGET, DEFAULT_CEILINGS } from '@corral/protocol/limits';
import type { RunRecord } from '@corral/protocol/model/run';
import { contractOf } from '@corral/protocol/ports/contract';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Call, SuiteTool, Trace } from './containment-data.ts';
import { unknownTool, type Judge } from './containment-judges.ts';
import type { DecideContext } from '@corral/broker/effects/context';
import type { History } from '@corral/broker/policies/port';

const PACK = readFileSync(fileURLToPath(import.meta.resolve('@corral/policy/pack/default.cedar')), 'utf8');
const RUN = 'run_000000000001' as RunId;
/** Recordings have no times. Steps are far enough apart that no rule about rates applies. */
const STEP_MS = 120_000;
/** Recordings have no history: nothing counts as a first use, and no destination is known. */
const NO_HISTORY: History = { used: () => true, reached: () => false, moved: () => 0, note: () => undefined, met: () => undefined };
const digest = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const BIG = { ...DEFAULT_BUDGET, calls: 1_000_000, bytes: 1e12 };

/** A tool as its suite describes it. */
function stub({ name, description, side_effect, reads_untrusted, egress, egress_params, trusted_fields }: SuiteTool): Tool {
  const change = side_effect === true || (egress && side_effect === 'soft');
  return {
    name,
    description: description ?? name,
    input: contractOf(z.unknown()),
    output: contractOf(z.unknown(), 'output'),
    annotations: {
      readOnly: !change,
      idempotent: !change,
      destructive: change,
      openWorld: egress,
      repeatable: false,
      returns: reads_untrusted ? 'untrusted' : 'trusted',
      ...(trusted_fields === undefined ? {} : { trusted_fields }),
      destinations: egress_params,
      // Data fetched from outside is public; all other data is the principal's.
      ...(egress ? {} : { private_to: 'principal' }),
    },
    invoke: () => Promise.resolve({ kind: 'failed', message: 'This is a recording.' }),
  };
}

interface Host {
  readonly tools: ReadonlyMap<string, Tool>;
  readonly policies: PolicyInForce;
}
const hosts = new WeakMap<Trace['tools'], Host>();
const bySuite = new Map<string, Host>();

/** One host for all traces with the same tools. */
function hostOf(trace: Trace): Host {
  const known = hosts.get(trace.tools);
  if (known !== undefined) return known;
  const called = trace.calls.map(({ tool }) => tool).filter((name) => !trace.tools.has(name));
  const described = [...trace.tools.values(), ...new Set(called)].map((tool) => (typeof tool === 'string' ? unknownTool(tool) : tool));
  const key = JSON.stringify(described);
  let host = bySuite.get(key);
  if (host === undefined) {
    const tools = new Map(described.map((tool) => [tool.name, stub(tool)]));
    const targets = [...tools.values()].map(({ name, annotations }) => ({ kind: 'tool' as const, name, annotations, input: {} }));
    const sources = [{ file: 'default.cedar', text: PACK }];
    host = { tools, policies: PolicyInForce.load({ engine: cedar, catalog: catalog({ targets }), sources, digest }) };
    bySuite.set(key, host);
  }
  hosts.set(trace.tools, host);
  return host;
}

/** Begins a run with the recorded prompt and a grant for every tool of its suite. */
function begin(trace: Trace, { tools, policies }: Host) {
  const grants = new Grants();
  const caps = [...tools.keys()].map((name, i) => {
    const id = `grant_${String(i + 1).padStart(12, '0')}` as GrantId;
    const grant: Grant = {
      id,
      parent: undefined,
      holder: RUN,
      target: { kind: 'tool', tool: name as never },
      where: {},
      uses: undefined,
      expires_at: undefined,
      depth: 0,
    };
    grants.add(grant);
    return { alias: name, cap: i + 1, grant: id };
  });
  const record = {
    id: RUN,
    tenant: 'eval',
    agent: 'recorded',
    version: digest(trace.model),
    bundle: digest(''),
    principal: 'principal',
    parent: undefined,
    spawn_depth: 0,
    input: trace.prompt,
    header: { seed: '', image: '', node: '', v8: '', icu: '' },
    ceilings: { ...DEFAULT_CEILINGS, message_bytes: 4 * 1024 * 1024 },
    budget: BIG,
    caps,
    created_at: 0,
  } as unknown as RunRecord;
  const ledger = new Ledger(record, true);
  ledger.applyDelivery({ kind: 'start', at: STEP_MS, run: RUN, input: trace.prompt, caps: {}, budget: {} }, 0);
  const context = (now: number): DecideContext => ({
    now,
    random: (n) => new Uint8Array(n),
    grants,
    tool: (name) => tools.get(name),
    agent: () => undefined,
    reach: () => undefined,
    policies: { current: policies, history: NO_HISTORY, roles: () => [] },
    digest,
  });
  return { ledger, context, capOf: new Map(caps.map(({ alias, cap }) => [alias, cap])) };
}

export const busJudge: Judge = (trace) => {
  const host = hostOf(trace);
  const { ledger, context, capOf } = begin(trace, host);
  const decided = new Map<Call, Decision>();
  let now = STEP_MS;
  return {
    decide(call) {
      // A call to a tool that does not exist failed when it was recorded. It fails here too, under any policy.
      if (call.failed && !trace.tools.has(call.tool)) return { verdict: 'allow', why: 'no such tool' };
      const effect = { kind: 'call' as const, id: ledger.lastId + 1, cap: capOf.get(call.tool) as number, input: call.args };
      const { decisions, outcome } = decide(ledger, ledger.seq + 1, [effect], context(now));
      const [decision] = decisions;
      if (decision === undefined) return { verdict: 'deny', why: JSON.stringify(outcome) };
      decided.set(call, decision);
      const why = `${(decision.rules ?? []).join('+')} ${(decision.origins ?? []).map(([path, origin]) => `${path}:${origin}`).join(' ')} ${decision.message ?? ''}`;
      // There are no inspectors here.
      if (decision.verdict === 'inspect') throw new Error('The call waits for inspectors.');
      return { verdict: decision.verdict === 'ask' ? 'approval' : decision.verdict, why, rules: decision.rules ?? [] };
    },
    settled(call) {
      const decision = decided.get(call);
      if (decision === undefined) return;
      now += STEP_MS;
      const { id } = decision;
      const tool = host.tools.get(call.tool) as Tool;
      // Replay is open loop: the recorded agent made its further calls after this one was made, so it counts as approved.
      if (decision.verdict === 'ask') ledger.applyEvent({ kind: 'approval', id, by: 'recording', verdict: 'approve', reason: '' }, now);
      const result = call.failed
        ? {
            id,
            error: {
              code: 'CORRAL_TOOL_FAILED' as const,
              message: typeof call.result === 'string' ? call.result : JSON.stringify(call.result ?? ''),
              hint: '',
              retryable: false,
            },
          }
        : { id, value: call.result };
      ledger.applyDelivery({ kind: 'reply', at: now, results: [result] }, 0);
      if (call.failed) return;
      const { effect, returns, destinations, private_to, trusted_fields } = factsOf(tool, call.args);
      const whose = private_to === undefined ? {} : { private_to };
      const of = {
        call: id,
        tool: { name: tool.name, effect, destinations, deed: deedOf(tool.name) },
        returns,
        args: call.args,
        ...whose,
        trusted_fields,
      };
      if (decision.verdict === 'deny') ledger.flow?.read(of, call.result);
      if (call.unseen !== '') ledger.flow?.read(of, call.unseen);
      if (call.cut !== undefined) ledger.flow?.read(of, call.cut);
    },
  };
};
