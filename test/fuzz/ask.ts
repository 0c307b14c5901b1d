/**
 * The front door, asked for everything its own OpenAPI document allows and much that it does not. Every answer is one that the OpenAPI document knows: never a 500, never anything but JSON, and every refusal a problem document.
 */
import * as fc from 'fast-check';
import { expect } from 'vitest';
import { Problem } from '@corral/protocol/api/problem';
import { front, HELLO, SLEEP } from '../front.ts';

type Schema = Readonly<Record<string, unknown>>;
interface OperationDoc {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, unknown>>;
}
interface Doc {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationDoc>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** Values that have broken somebody's server before. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    ' ',
    '\u0000',
    '../..',
    '%2e%2e%2f',
    "' OR 1=1 --",
    '🙂'.repeat(50),
    'x'.repeat(5000),
    -1,
    1e308,
    null,
    [],
    {},
    true,
  ),
  fc.json({ maxDepth: 4 }).map((text) => JSON.parse(text) as unknown),
);

function valueOf(doc: Doc, schema: Schema, known: readonly string[], depth = 0): fc.Arbitrary<unknown> {
  const ref = schema['$ref'];
  if (typeof ref === 'string') {
    const name = ref.split('/').at(-1) ?? '';
    if (name === 'RunId') return fc.oneof(fc.constantFrom(...known), fc.constant('run_000000000000'));
    return valueOf(doc, doc.components.schemas[name] ?? {}, known, depth + 1);
  }
  const { type, enum: values, const: one, anyOf, oneOf, properties, required, items, minimum, maximum } = schema;
  if (depth > 8) return odd;
  if (one !== undefined) return fc.constant(one);
  if (Array.isArray(values)) return fc.constantFrom(...(values as unknown[]));
  const either = (anyOf ?? oneOf) as Schema[] | undefined;
  if (either !== undefined) return fc.oneof(...either.map((each) => valueOf(doc, each, known, depth + 1)));
  if (type === 'object' && properties !== undefined) {
    const arbitraries = Object.fromEntries(
      Object.entries(properties as Record<string, Schema>).map(([name, each]) => [name, valueOf(doc, each, known, depth + 1)]),
    );
    const needed = (required as string[] | undefined) ?? [];
    // Half of them with nothing that need not be there: of the others hardly any is right in all that it says.
    const least = fc.record(Object.fromEntries(needed.map((name) => [name, arbitraries[name] ?? odd])));
    return fc.oneof(least, fc.record(arbitraries, { requiredKeys: needed }));
  }
  if (type === 'array') return fc.array(valueOf(doc, (items as Schema | undefined) ?? {}, known, depth + 1), { maxLength: 4 });
  if (type === 'integer' || type === 'number') {
    const min = Math.max(-5, (minimum as number | undefined) ?? -5);
    return fc.integer({ min, max: Math.max(min, Math.min(min + 1000, (maximum as number | undefined) ?? min + 1000)) });
  }
  if (type === 'boolean') return fc.boolean();
  if (type === 'string') return fc.oneof(fc.constantFrom('hello', 'local', 'prod', 'completed'), fc.string({ maxLength: 40 }));
  return odd;
}

/** Mostly what the schema says, now and then something else. */
const mostly = (value: fc.Arbitrary<unknown>) => fc.oneof({ arbitrary: value, weight: 5 }, { arbitrary: odd, weight: 1 });

/**
 * @param times number of requests of each operation
 * @returns how many were made in all, each of them answered as the document says
 */
export async function askEverything(times: number): Promise<number> {
  const { url, admin, deploy, as } = await front({ configText: JSON.stringify({ door: { rate_per_s: 100_000, burst: 100_000 } }) });
  await deploy(HELLO);
  await deploy(SLEEP);
  const known = [
    (await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } })).run,
    (await admin.submitRun({ body: { agent: 'sleeper' } })).run,
  ];
  const { secret } = await as('*', 'admin');
  const doc = (await (await fetch(`${url}/openapi.json`)).json()) as Doc;
  let asked = 0;
  const statuses = new Set<number>();
  for (const [path, methods] of Object.entries(doc.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const parameters = operation.parameters ?? [];
      const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
      const parts = fc.record({
        parameters: fc.tuple(
          ...parameters.map((parameter) =>
            parameter.in === 'path'
              ? mostly(valueOf(doc, parameter.schema, known))
              : fc.option(mostly(parameter.name === 'wait_ms' ? fc.integer({ min: -1, max: 5 }) : valueOf(doc, parameter.schema, known)), {
                  nil: undefined,
                }),
          ),
        ),
        body: body === undefined ? fc.constant(undefined) : mostly(valueOf(doc, body, known)),
      });
      await fc.assert(
        fc.asyncProperty(parts, async (made) => {
          let target = path;
          const query = new URLSearchParams();
          const headers: Record<string, string> = { authorization: `Bearer ${secret}` };
          for (const [i, parameter] of parameters.entries()) {
            const value = made.parameters[i];
            if (value === undefined) continue;
            const text = typeof value === 'string' ? value : JSON.stringify(value);
            if (parameter.in === 'path') target = target.replace(`{${parameter.name}}`, encodeURIComponent(text.toWellFormed()) || '%20');
            else if (parameter.in === 'query') query.set(parameter.name, text);
            else headers[parameter.name] = encodeURIComponent(text.toWellFormed()).slice(0, 500);
          }
          const abort = new AbortController();
          const answer = await fetch(`${url}${target}?${query.toString()}`.slice(0, 12_000), {
            method: method.toUpperCase(),
            headers: { ...headers, ...(made.body === undefined ? {} : { 'content-type': 'application/json' }) },
            ...(made.body === undefined ? {} : { body: JSON.stringify(made.body) }),
            signal: abort.signal,
          });
          asked += 1;
          statuses.add(answer.status);
          const said = `${method} ${target} ${JSON.stringify(made)} → ${answer.status}`;
          if (operation.operationId === 'events' && answer.ok) return abort.abort();
          const json: unknown = await answer.json();
          const known = Object.keys(operation.responses).includes(String(answer.status));
          const right = answer.ok || answer.status === 503 ? known : answer.status < 500 && Problem.safeParse(json).success;
          if (!right) throw new Error(`${said} ${JSON.stringify(json)}`);
        }),
        // Few requests that make something are right in all that they say, so there are more of them.
        { numRuns: operation.operationId === 'deployAgent' ? 5 : '201' in operation.responses ? times * 3 : times },
      );
    }
  }
  // It did get through: not everything was refused at the first check.
  for (const status of [200, 201, 400, 404]) expect(statuses).toContain(status);
  expect(await admin.health({})).toMatchObject({ ok: true });
  return asked;
}
