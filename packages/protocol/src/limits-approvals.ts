/** Limits of approvals. They are in a file of their own because limits.ts is as long as a file may be. */
import type { Limit } from './limits.ts';

const MINUTE_MS = 60_000;

export const LIMITS_APPROVALS = {
  claim_ms: {
    about: 'how long others see that a person is looking at a call',
    default: 15 * MINUTE_MS,
    min: 1_000,
    max: 24 * 60 * MINUTE_MS,
  },
} as const satisfies Record<string, Limit>;
