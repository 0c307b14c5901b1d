/** The steps of the ladder, and from which confidence a detector's finding asks for each: data, without the ladder's own rules. */
export const STEPS = ['observe', 'notice', 'slow', 'pause', 'kill'] as const;
export type Step = (typeof STEPS)[number];
/** A step that does something; a run is observed anyway. */
export type Taken = Exclude<Step, 'observe'>;

/** Confidence from which each step may be taken; a step left out is never taken for this detector. */
export type Thresholds = { readonly [S in Taken]?: number };
/** The same as a layer over other thresholds; `null` takes the step away. */
export type ThresholdLayer = { readonly [S in Taken]?: number | null };
