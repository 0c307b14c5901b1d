import { expect, test } from 'vitest';
import { EVENT_KINDS } from '@corral/protocol/api/event-kinds';
import type { Event } from '@corral/protocol/api/schemas';
import { may, type Role } from '@corral/protocol/api/roles';
import { passes } from './stream.ts';

const reader = { withheld: () => undefined, stopped: () => undefined };
const told = (role: Role, tenant: string, of: string | null) =>
  EVENT_KINDS.filter((kind) => {
    const event: Event = { id: '1-1', at: 0, kind, tenant: of, run: null, agent: null, data: null };
    return passes(event, { may: (operation, one) => may({ id: 'x', tenant, roles: [role] }, operation, one ?? undefined), reader });
  });
const LOW = ['policy.differs', 'policy.switched', 'policy.alarm', 'grant.revoked'];

test('whoever follows is told nothing that they could not ask for: what candidates and operators do goes to those who may read it', () => {
  for (const kind of LOW) {
    expect(told('developer', 't', 't')).not.toContain(kind);
    expect(told('approver', 't', 't')).not.toContain(kind);
    expect(told('auditor', 't', 't')).toContain(kind);
    expect(told('operator', 't', 't')).toContain(kind);
  }
  expect(told('approver', 't', 't')).not.toContain('run.emitted');
  expect(told('approver', 't', 't')).not.toContain('agent.profiled');
  expect(told('developer', 't', 't')).toEqual(expect.arrayContaining(['run.emitted', 'run.context', 'agent.resting', 'agent.profiled']));
});

test('what befell the host is told to those who have their role for all of it', () => {
  expect(told('admin', '*', null)).toEqual([...EVENT_KINDS]);
  expect(told('developer', '*', null)).not.toContain('policy.alarm');
  expect(told('developer', '*', null)).not.toContain('config.applied');
});
