/** Bodies of the API: the text is read as JSON.parse reads it or refused, and each route's schema takes or refuses what it says. */
import { deepStrictEqual } from 'node:assert/strict';
import { ROUTES, type Route } from '@corral/protocol/api/routes';
import { JsonTextError, readJson } from '@corral/protocol/json-text';
import { MACHINE } from '@corral/protocol/limits';
import { holds, plant, type Target } from './engine.ts';

const BOUNDS = { depth: 64, members: MACHINE.body_members.default, names: MACHINE.body_names.default };
const BODIES_OF = (Object.values(ROUTES) as Route[]).flatMap(({ body }) => body ?? []);

export const BODIES: Target = {
  name: 'bodies',
  seeds: [
    '{"agent":"hello","input":{"name":"A"},"budget":{"calls":1}}',
    '{"operation":"kill","target":{"run":"run_000000000000"},"reason":"x"}',
    '{"name":"t","tenant":"*","roles":["admin"]}',
    '{"source":"x","describing":"y","alias":"prod"}',
  ],
  words: [
    '"operation":"pause"',
    '"target":{"selector":{"agent":"a"}}',
    '"family":true',
    '"grants":{"read":{"uses":3,"where":{"path":{"under":"a"}}}}',
    '"ceilings":{"wall_ms":5}',
    '"roles":["auditor"]',
    '"reason":"because"',
    '"reason":""',
    '"__proto__":{}',
    '1e400',
    '9007199254740993',
    '"\\ud800"',
    '{"a":1,"a":2}',
  ],
  run(input, planted) {
    let value: unknown;
    try {
      value = readJson(input, BOUNDS);
    } catch (error) {
      if (error instanceof JsonTextError) return;
      throw error;
    }
    deepStrictEqual(value, JSON.parse(input.toString('utf8').replace(/^\uFEFF/u, '')));
    for (const body of BODIES_OF) {
      const taken = holds(body, value) as { readonly operation?: string } | undefined;
      plant(planted, taken?.operation === 'pause');
    }
  },
};
