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
  standing_ms: {
    about: 'how long an approval holds for later calls of its run',
    default: 60 * MINUTE_MS,
    min: 1_000,
    max: 24 * 60 * MINUTE_MS,
  },
  standing_uses: { about: 'further calls that an approval holds for', default: 10, min: 1, max: 1_000 },
  standing_per_run: { about: 'approvals of one run that hold for later calls', default: 20, min: 1, max: 100 },
} as const satisfies Record<string, Limit>;
