import { expect, test } from 'vitest';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { TenantId } from '@corral/protocol/ids';
import { BY_NAME } from './people.ts';
import { TenantPolicies } from './tenant-policies.ts';

const CREW = 'crew' as TenantId;

/** Policies that remember whether they were closed. */
function policies() {
  const state = { closed: 0 };
  const current = { version: 'v', close: () => void (state.closed += 1) } as unknown as PolicyInForce;
  return { state, tenants: { [CREW]: { tools: [], policies: { current } } } };
}

test('policies that are replaced while cranks are decided by them are closed after the last of these cranks', () => {
  const all = new TenantPolicies({ clock: {} as never, seen: {} as never, people: BY_NAME, tell: () => undefined });
  const [old, next] = [policies(), policies()];
  all.configure(old.tenants);
  const [first, second] = [all.policies(CREW)?.keep?.(), all.policies(CREW)?.keep?.()];
  all.configure(next.tenants);
  first?.();
  expect(old.state.closed).toBe(0);
  second?.();
  expect(old.state.closed).toBe(1);
  all.configure(old.tenants);
  expect(next.state.closed).toBe(1);
  const third = all.policies(CREW)?.keep?.();
  all.configure(next.tenants);
  // They are in force again before the crank is decided.
  all.configure(old.tenants);
  third?.();
  expect(old.state.closed).toBe(1);
});
