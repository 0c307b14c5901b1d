/**
 * The roles that operations take: the page offers acts and links by them. The host's own table comes with schemas that are larger than the page;
 * `permitted.test.ts` holds this one to it.
 */
import type { Operation, Role } from '@corral/protocol/api/roles';

export const PERMITTED = {
  'run.payload': ['developer', 'operator', 'auditor', 'admin'],
  'policy.read': ['operator', 'auditor', 'admin'],
  'approval.decide': ['approver', 'admin'],
} as const satisfies Partial<Record<Operation, readonly Role[]>>;
