/** Replays recorded runs through the detectors, as the broker would have shown them, and records the findings. */
import { Acts, type Act } from '@corral/policy/detection/acts';
import { Detectors, type DetectorsOptions } from '@corral/policy/detection/detectors';
import type { Finding } from '@corral/policy/detection/list';
import { StuckScore } from '@corral/policy/detection/stuck';
import type { StuckWeights } from '@corral/policy/detection/weights';
import { seen, type Row } from './data.ts';

export interface Replayed {
  /** After each call of the row: the accumulated score, and the momentary reading. */
  readonly score: readonly number[];
  readonly now: readonly number[];
  /** Findings with the call, and the position in the run's stream of events. */
  readonly findings: readonly (Finding & { readonly call: number; readonly at: number })[];
}

export function replay(row: Row, options: DetectorsOptions = {}): Replayed {
  const detectors = new Detectors(options);
  const score: number[] = [];
  const now: number[] = [];
  const findings: (Finding & { call: number; at: number })[] = [];
  let at = 0;
  row.calls.forEach((_, call) => {
    for (const event of seen(row, call)) {
      for (const finding of detectors.observe(event)) findings.push({ ...finding, call, at });
      at++;
    }
    score.push(detectors.stuck.score);
    now.push(detectors.stuck.now);
  });
  return { score, now, findings };
}

/** The acts of a row, each with the index of its call: for fitting, where the weights change and the acts do not. */
export function acts(row: Row): (Act & { readonly call: number })[] {
  const state = new Acts();
  const list: (Act & { call: number })[] = [];
  let position = 0;
  row.calls.forEach((_, call) => {
    for (const event of seen(row, call)) {
      let act: Act | undefined;
      if (event.kind === 'call') act = state.call(event, position);
      else if (event.kind === 'result') act = state.result(event);
      else if (event.kind === 'sent') act = state.message(position, event.at, `sent ${event.peer}`, event.body);
      position++;
      if (act !== undefined) list.push({ ...act, call });
    }
  });
  return list;
}

/** The highest accumulated score of acts under other weights. */
export function highest(list: readonly Act[], weights: StuckWeights): number {
  const score = new StuckScore(weights);
  let most = 0;
  for (const act of list) most = Math.max(most, score.take(act));
  return most;
}

/** The momentary reading after each call, under other weights. */
export function readings(list: readonly (Act & { readonly call: number })[], calls: number, weights: StuckWeights): number[] {
  const score = new StuckScore(weights);
  const by: number[] = [];
  let next = 0;
  for (let call = 0; call < calls; call++) {
    for (; next < list.length && (list[next] as { call: number }).call <= call; next++) score.take(list[next] as Act);
    by.push(score.state.now);
  }
  return by;
}
