/** Words for lists of runs: their orders, and the states that runs are counted in. */
export const RUN_ORDERS = ['created', 'ended', 'cpu', 'calls', 'tokens', 'money'] as const;
/** The order of a list of runs: by a time, or by an amount that the run has used. */
export type RunOrder = (typeof RUN_ORDERS)[number];

/** States of runs that have not ended; one that has ended is in the state that its outcome names: `completed`, `failed`, `exceeded` … */
export const LIVE_STATES = ['queued', 'active', 'paused', 'quarantined'] as const;
