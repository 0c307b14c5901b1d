/** A run as material of a test: what its tools answered, without what is private. */
import * as z from 'zod';
import { json, runId, time_ms } from './parts.ts';
import { route } from './route.ts';

export const FixtureCall = z
  .object({
    tool: z.string(),
    input: json.describe('null where `input_hidden`'),
    input_hidden: z.boolean().describe('the run had read private data by then, so its arguments may hold some'),
    result: json.describe('null for a failure'),
    result_hidden: z.boolean().describe('of `result`, only the shape that the tool’s schema states is left'),
    answered_at: time_ms,
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: 'FixtureCall' });

export const Fixture = z
  .object({
    run: runId,
    agent: z.string(),
    version: z.string(),
    at: time_ms.describe('when its first crank began'),
    input: json,
    tools: z.array(z.string()).describe('what the agent uses, called or not'),
    calls: z.array(FixtureCall).describe('in the order in which it made them; those without an answer are left out'),
    outcome: z.object({ kind: z.string(), code: z.string().nullable(), output: json, output_hidden: z.boolean() }),
    private_to: z.array(z.string()).describe('whose private data the run has read'),
  })
  .meta({ id: 'Fixture' });
export type Fixture = z.infer<typeof Fixture>;

const FixtureQuery = z.strictObject({
  private: z.enum(['hide', 'include']).default('hide').describe('`include`: for the owner of all private data that the run has read'),
});

export const FIXTURE_ROUTES = {
  runFixture: route({
    method: 'GET',
    path: '/v1/runs/:run/fixture',
    tag: 'runs',
    summary: 'Gives a run as material of a test: its input, its calls with their results, and how it ended. Private data is left out.',
    operation: 'run.payload',
    params: z.strictObject({ run: runId }),
    query: FixtureQuery,
    status: 200,
    response: Fixture,
  }),
} as const;
