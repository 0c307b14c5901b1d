/** The steps of the ladder, and the confidence at which a detector's finding asks for each. The rules of the ladder are in ladder.ts. */
export const STEPS = ['observe', 'notice', 'slow', 'pause', 'kill'] as const;
export type Step = (typeof STEPS)[number];
/** The steps that do something; every run is observed. */
export type Taken = Exclude<Step, 'observe'>;

/** Confidence from which each step may be taken; an absent step is never taken for this detector. */
export type Thresholds = { readonly [S in Taken]?: number };
/** Changes to thresholds; `null` removes the step. */
export type ThresholdLayer = { readonly [S in Taken]?: number | null };
