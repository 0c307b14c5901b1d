import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { CorralError } from '../errors.ts';
import { Problem, problemOf, statusOf } from './problem.ts';
import { may, OPERATIONS, Role, type Operation } from './roles.ts';
import { ROUTES, type Route } from './routes.ts';

describe('problems', () => {
  test.each(Object.keys(ERRORS) as ErrorCode[])('%s becomes a document that fits its own schema', (code) => {
    const problem = problemOf(new CorralError(code, 'It went wrong.'));
    expect(Problem.parse(problem)).toEqual(problem);
    expect(statusOf(code)).toBeGreaterThanOrEqual(400);
  });

  test('a bug tells the outside nothing of the inside', () => {
    expect(problemOf(new CorralError('CORRAL_INTERNAL', 'secret path /etc/x')).detail).not.toContain('/etc');
  });
});

describe('roles', () => {
  const operations = Object.keys(OPERATIONS) as Operation[];

  test.each(operations)('%s is allowed to an admin of the host, and in another tenant to nobody of one', (operation) => {
    expect(may({ id: 'a', tenant: '*', roles: ['admin'] }, operation, undefined)).toBe(true);
    for (const role of Role.options) expect(may({ id: 'a', tenant: 'one', roles: [role] }, operation, 'two')).toBe(false);
  });

  test('nobody without a role may do anything', () => {
    for (const operation of operations) expect(may({ id: 'a', tenant: '*', roles: [] }, operation, undefined)).toBe(false);
  });
});

test('every route that is for somebody names an operation of the table', () => {
  for (const { operation } of Object.values(ROUTES) as Route[])
    expect(['open', 'anyone', 'body', ...Object.keys(OPERATIONS)]).toContain(operation);
});
