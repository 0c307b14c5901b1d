import { expect, test } from 'vitest';
import { OPERATIONS } from '@corral/protocol/api/roles';
import { PERMITTED } from './permitted.ts';

test.each(Object.entries(PERMITTED))('%s is for those whom the host lets do it', (operation, roles) => {
  expect(roles).toEqual(OPERATIONS[operation as keyof typeof PERMITTED].roles);
});
