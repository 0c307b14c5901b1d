import { describe, expect, test } from 'vitest';
import { CorralError, ERRORS, type errorData } from './errors.ts';
import { newId, RunId } from './ids.ts';
import { ADMISSION, BUDGETS, CEILINGS, MACHINE, SPAWN_BUDGET, type BudgetName } from './limits.ts';
import { LIMITS_APPROVALS as APPROVALS } from './limits-approvals.ts';
import { HTTP } from './limits-http.ts';
import { MCP } from './limits-mcp.ts';
import { MEMORY } from './limits-memory.ts';
import { QUESTIONS } from './limits-questions.ts';
import { TELEMETRY } from './limits-telemetry.ts';
import { AgentManifest, Budget, CeilingsRequest } from './model/manifest.ts';
import { Outcome } from './model/outcome.ts';
import { outcomeText } from './model/outcome-text.ts';

describe('limits', () => {
  const tables = { CEILINGS, BUDGETS, ADMISSION, MACHINE, APPROVALS, HTTP, MCP, MEMORY, QUESTIONS, TELEMETRY };
  for (const [table, rows] of Object.entries(tables)) {
    test.each(Object.entries(rows))(`${table}.%s has a default within its bounds`, (_, row) => {
      expect(row.min).toBeLessThanOrEqual(row.default);
      expect(row.default).toBeLessThanOrEqual(row.max);
    });
  }

  test.each(Object.entries(CEILINGS))('the ceiling %s can be asked for up to its maximum, and no further', (name, { min, max }) => {
    expect(CeilingsRequest.safeParse({ [name]: max }).success).toBe(true);
    expect(CeilingsRequest.safeParse({ [name]: min }).success).toBe(true);
    expect(CeilingsRequest.safeParse({ [name]: max + 1 }).success).toBe(false);
    expect(CeilingsRequest.safeParse({ [name]: min - 1 }).success).toBe(false);
  });

  test.each(Object.entries(BUDGETS))('the budget %s can be asked for up to its maximum, and no further', (name, { max }) => {
    expect(Budget.safeParse({ [name]: max }).success).toBe(true);
    expect(Budget.safeParse({ [name]: max + 1 }).success).toBe(false);
    expect(Budget.safeParse({ [name]: 0.5 }).success).toBe(false);
    expect(SPAWN_BUDGET[name as BudgetName]).toBeLessThanOrEqual(max);
  });

  test('an amount that nobody has heard of is refused', () => {
    expect(Budget.safeParse({ gold: 1 }).success).toBe(false);
  });
});

describe('errors', () => {
  test.each(Object.entries(ERRORS))('%s says what to do next', (_, { hint }) => {
    expect(hint).toMatch(/^[A-Z].*\.$/);
  });

  test('cross a boundary as data and come back the same', () => {
    const error = new CorralError('CORRAL_BUDGET_EXCEEDED', 'No more.', { call: 3, limit: 'calls' });
    const back = CorralError.from(JSON.parse(JSON.stringify(error)) as ReturnType<typeof errorData>);
    expect(back.toJSON()).toEqual(error.toJSON());
    expect(back.toJSON()).toMatchObject({ code: 'CORRAL_BUDGET_EXCEEDED', class: 'BudgetExceeded', call: 3, limit: 'calls' });
  });
});

test('ids carry their kind and are parsed back', () => {
  const id = newId('run', (n) => new Uint8Array(n).fill(7));
  expect(id).toBe('run_777777777777');
  expect(RunId.safeParse(id).success).toBe(true);
  expect(RunId.safeParse('grant_777777777777').success).toBe(false);
  expect(RunId.safeParse('run_77777777777i').success).toBe(false);
});

test('outcomes have a short form that people read', () => {
  const text = (outcome: Outcome) => outcomeText(Outcome.parse(outcome));
  expect(text({ kind: 'completed', output: null })).toBe('completed');
  expect(text({ kind: 'exceeded', limit: 'cpu', message: '' })).toBe('exceeded(cpu)');
  expect(text({ kind: 'failed', code: 'CORRAL_STALLED', message: '' })).toBe('failed(stalled)');
  expect(text({ kind: 'failed', code: 'CORRAL_CAP_FORGED', message: '' })).toBe('failed(CORRAL_CAP_FORGED)');
});

describe('a manifest', () => {
  const good = {
    name: 'a',
    purpose: '',
    image: 'base',
    uses: {},
    spawns: [],
    input: null,
    output: null,
    ceilings: {},
    budget: {},
    on_unknown: 'wait',
  };

  test('with nothing wrong is accepted', () => {
    expect(AgentManifest.safeParse(good).success).toBe(true);
  });

  test.each([
    ['a name with capitals', { name: 'Audit' }],
    ['an image nobody has', { image: 'gpu' }],
    ['a capability that is neither a tool nor a mailbox', { uses: { read: 'fs.read' } }],
    ['an alias that is no identifier', { uses: { 'read me': 'tool:fs.read' } }],
    [
      'too many capabilities',
      { uses: Object.fromEntries(Array.from({ length: ADMISSION.uses_per_agent.default + 1 }, (_, i) => [`a${i}`, 'tool:x'])) },
    ],
    ['a member nobody asked for', { extra: true }],
    ['a schema that nests too deeply', { input: JSON.parse('{"a":'.repeat(40) + '1' + '}'.repeat(40)) as unknown }],
    ['a schema that is too large', { input: { description: 'x'.repeat(ADMISSION.schema_bytes.default) } }],
    ['a ceiling beyond the maximum', { ceilings: { wall_ms: CEILINGS.wall_ms.max + 1 } }],
  ])('with %s is refused', (_, change) => {
    expect(AgentManifest.safeParse({ ...good, ...change }).success).toBe(false);
  });
});
