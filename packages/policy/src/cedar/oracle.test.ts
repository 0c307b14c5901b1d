/** The closures against the engine: 100,000 random decisions, on each of which they must agree in every respect. */
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { describe, expect, test } from 'vitest';
import { entityFrom } from './compile.ts';
import type { CedarJson, EntityJson, EntityUid, PolicyJson } from './engine.ts';
import { Entities, valueFrom } from './entities.ts';
import { Generator } from './fixtures/generate.ts';
import type { LoadedPolicy } from './policy-set.ts';
import { specialise } from './residual.ts';
import type { CedarRecord } from './value.ts';

const CHUNKS = 20;
const SETS = 125;
const REQUESTS = 40;
const ACTIONS: EntityJson[] = [
  { uid: { type: 'Action', id: 'call' }, attrs: {}, parents: [] },
  ...['a', 'b'].map((id) => ({ uid: { type: 'Action', id: `tool:${id}` }, attrs: {}, parents: [{ type: 'Action', id: 'call' }] })),
];

/** Through text and back: what Cedar’s own parser gives. One set in ten, for it takes its time. */
function parsed(json: PolicyJson): PolicyJson {
  const text = cedar.policyToText(json);
  if (text.type === 'failure') throw new Error(JSON.stringify([json, text.errors]));
  const again = cedar.policyToJson(text.text);
  if (again.type === 'failure') throw new Error(JSON.stringify([text.text, again.errors]));
  return again.json;
}

interface Request {
  readonly principal: EntityUid;
  readonly action: EntityUid;
  readonly resource: EntityUid;
  readonly context: Record<string, CedarJson>;
}

const sorted = (ids: Iterable<string>) => [...ids].sort();

function byEngine(set: string, request: Request, entities: EntityJson[]) {
  const answer = cedar.statefulIsAuthorized({ ...request, entities, preparsedPolicySetId: set });
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
  const { decision, diagnostics } = answer.response;
  return { decision, reasons: sorted(diagnostics.reason), errors: sorted(diagnostics.errors.map(({ policyId }) => policyId)) };
}

function byClosures(policies: readonly LoadedPolicy[], request: Request, entities: Entities) {
  const residual = specialise(policies, {
    principal: entityFrom(request.principal),
    action: entityFrom(request.action),
    resource: entityFrom(request.resource),
    entities,
    context: {},
  });
  // What is said without looking at the context must be what is said after looking.
  const { forbids, permits, errors } = residual.constant ?? residual.answer(valueFrom(request.context) as CedarRecord);
  const decision = forbids.length === 0 && permits.length > 0 ? 'allow' : 'deny';
  return {
    decision,
    reasons: sorted((forbids.length > 0 ? forbids : permits).map(({ id }) => id)),
    errors: sorted(errors.map(({ policy }) => policy.id)),
  };
}

describe('closures and Cedar’s engine', () => {
  const seen = { allow: 0, deny: 0, errors: 0, reasons: 0 };

  test.each(Array.from({ length: CHUNKS }, (_, i) => i))(
    'agree on decision, reasons and errors: chunk %i of 100,000 decisions',
    (chunk) => {
      const mismatches: unknown[] = [];
      for (let i = 0; i < SETS; i++) {
        const seed = chunk * SETS + i;
        const make = new Generator(seed);
        const jsons = Array.from({ length: 1 + make.int(6) }, () => make.policy()).map((json) => (i % 10 === 0 ? parsed(json) : json));
        const staticPolicies = Object.fromEntries(jsons.map((json, at) => [`p${at}`, json]));
        const stored = cedar.preparsePolicySet('oracle', { staticPolicies });
        if (stored.type === 'failure') throw new Error(JSON.stringify(stored.errors));
        const policies = jsons.map((json, at) => ({ id: `p${at}`, effect: json.effect, json }) as LoadedPolicy);
        const known = [...make.entities(), ...ACTIONS];
        const entities = new Entities(known);
        for (let n = 0; n < REQUESTS; n++) {
          const request = {
            principal: make.uid(),
            action: { type: 'Action', id: make.pick(['tool:a', 'tool:b']) },
            resource: make.uid(),
            context: make.record(2),
          };
          const engine = byEngine('oracle', request, known);
          const closures = byClosures(policies, request, entities);
          seen[engine.decision] += 1;
          seen.errors += engine.errors.length > 0 ? 1 : 0;
          seen.reasons += engine.reasons.length > 1 ? 1 : 0;
          if (JSON.stringify(closures) !== JSON.stringify(engine)) mismatches.push({ seed, request, staticPolicies, closures, engine });
        }
      }
      expect(mismatches.slice(0, 1)).toEqual([]);
    },
    60_000,
  );

  test('were given all kinds of answers to agree on', () => {
    expect(seen.allow + seen.deny).toBe(100_000);
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(1_000);
  });
});
