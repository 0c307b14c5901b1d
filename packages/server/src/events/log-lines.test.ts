import { expect, test } from 'vitest';
import { prettyLine } from './log-lines.ts';

const line = (more: Record<string, unknown>) => prettyLine(JSON.stringify({ level: 40, time: '2026-03-01T02:03:04.000Z', ...more }));

test('a line of the log says what, of whom, and how it was', () => {
  expect(
    line({ msg: 'request', method: 'GET', route: '/v1/runs', status: 404, took_ms: 1.5, by: 'token:ana', code: 'CORRAL_AGENT_UNKNOWN' }),
  ).toBe('02:03:04Z warn  GET /v1/runs  404  1.5 ms  token:ana  code=CORRAL_AGENT_UNKNOWN');
  expect(line({ msg: 'shop.price failed', error: 'Error: HTTP 500\n    at run (corral.config.ts:3:9)' })).toBe(
    '02:03:04Z warn  shop.price failed\n    Error: HTTP 500\n        at run (corral.config.ts:3:9)',
  );
});

test('a line of the log cannot steer the terminal', () => {
  const said = line({ msg: 'x\u001b[2J', event: 'e', agent: 'a\u0007', data: { 'k\u001b': 'v\u202e' }, err: { stack: 'E\u001b[1m' } });
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  expect(said).not.toMatch(/\u001b|\u0007|\u202e/);
});
