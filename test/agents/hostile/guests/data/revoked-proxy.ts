/** Emits a proxy that throws at every look. It gains an exception in a place that expects none. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['failed(CORRAL_AGENT_THREW)', 'failed(CORRAL_JSON_UNSUPPORTED)'] };

export default defineAgent({
  name: 'revoked-proxy',
  ceilings: { wall_ms: 20_000 },
  run({ emit }) {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    emit('x', { proxy });
  },
});
