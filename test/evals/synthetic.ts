/** Measures behaviour with known answers: what is found, how soon, and which alarms are false. */
import { LADDER } from '@corral/policy/detection/ladder';
import type { Finding } from '@corral/policy/detection/list';
import { FAMILIES, randomFrom, type Family } from './families.ts';
import type { EvalOptions, Measured } from './options.ts';

export interface FamilyResult {
  readonly name: string;
  readonly cases: number;
  readonly found: number;
  readonly false_alarms: number;
  /** Steps from the beginning of the trouble to the first alarm: median and maximum. */
  readonly steps_p50: number | undefined;
  readonly steps_max: number | undefined;
}

/** A finding counts as an alarm from the lowest threshold of the default ladder. */
function isAlarm({ detector, confidence }: Finding): boolean {
  const thresholds = Object.values(LADDER.detectors[detector] ?? {});
  return confidence >= Math.min(...thresholds, 1);
}

export function measure(family: Family): FamilyResult {
  const steps: number[] = [];
  let wrong = 0;
  family.cases.forEach((make, seed) => {
    const one = make(randomFrom(seed + 1));
    let found: number | undefined;
    let falsely = false;
    for (let step = 0; step < one.steps; step++) {
      const alarms = one.take(step).filter(isAlarm);
      if (alarms.length === 0) continue;
      if (one.trouble === undefined || step < one.trouble) falsely = true;
      else if (found === undefined && alarms.some(({ detector }) => family.by.includes(detector))) found = step - one.trouble + 1;
    }
    if (found !== undefined) steps.push(found);
    if (falsely) wrong++;
  });
  steps.sort((a, b) => a - b);
  return {
    name: family.name,
    cases: family.cases.length,
    found: steps.length,
    false_alarms: wrong,
    steps_p50: steps[Math.floor(steps.length / 2)],
    steps_max: steps.at(-1),
  };
}

export function synthetic(_options: EvalOptions): Measured {
  const results = FAMILIES.map(measure);
  const text = [
    `${'family'.padEnd(44)} cases  found  false alarms  steps until found (p50, most)`,
    ...results.map(
      (one) =>
        `${one.name.padEnd(44)} ${String(one.cases).padStart(5)} ${one.name.startsWith('quiet') ? '     -' : String(one.found).padStart(6)} ${String(one.false_alarms).padStart(13)}  ${one.steps_p50 === undefined ? '' : `${one.steps_p50}, ${one.steps_max}`}`,
    ),
  ].join('\n');
  return { json: { families: results }, text };
}
