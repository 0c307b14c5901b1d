/** Drift on recorded runs: each run is scored by a profile of other benign runs of its suite. */
import { emptyProfile, learn, type Profile, type ProfiledCall } from '@corral/policy/detection/profile';
import { Detectors } from '@corral/policy/detection/detectors';
import { hasFailed, type Call, type Row } from './data.ts';
import { auroc, rounded } from './stats.ts';

export interface DriftScores {
  readonly hijacked: { readonly row: Row; readonly score: number }[];
  readonly benign: { readonly row: Row; readonly score: number }[];
  readonly by_suite: Readonly<Record<string, { readonly auroc: number; readonly hijacked: number; readonly benign: number }>>;
}

/** Cross-validation: a benign run is scored by a profile of the other parts, which does not include it. */
const PARTS = 10;

const isHijacked = (row: Row) => row.security === true;
const isBenign = (row: Row) => row.injected === false && row.role !== 'injection_as_user';

/** A refused call had no effect: it is neither learned nor scored. */
const carriedOut = (row: Row) => row.calls.filter((call) => !hasFailed(call));

export function driftScores(runs: readonly Row[]): DriftScores {
  const hijacked: DriftScores['hijacked'] = [];
  const benign: DriftScores['benign'] = [];
  const bySuite: Record<string, { auroc: number; hijacked: number; benign: number }> = {};
  for (const suite of [...new Set(runs.map((row) => row.suite ?? ''))].sort()) {
    const good = runs.filter((row) => row.suite === suite && isBenign(row));
    const bad = runs.filter((row) => row.suite === suite && isHijacked(row));
    if (good.length < PARTS || bad.length === 0) continue;
    const whole = profileOf(good);
    const badScores = bad.map((row) => ({ row, score: score(row, whole) }));
    const goodScores = Array.from({ length: PARTS }, (_, part) => {
      const profile = profileOf(good.filter((_row, i) => i % PARTS !== part));
      return good.filter((_row, i) => i % PARTS === part).map((row) => ({ row, score: score(row, profile) }));
    }).flat();
    hijacked.push(...badScores);
    benign.push(...goodScores);
    bySuite[suite] = {
      auroc: rounded(
        auroc(
          badScores.map((one) => one.score),
          goodScores.map((one) => one.score),
        ),
      ),
      hijacked: bad.length,
      benign: good.length,
    };
  }
  return { hijacked, benign, by_suite: bySuite };
}

export function profileOf(list: readonly Row[]): Profile {
  const profile = emptyProfile();
  for (const row of list)
    learn(
      profile,
      carriedOut(row).map((call) => profiled(row, call)),
    );
  return profile;
}

export function score(row: Row, profile: Profile): number {
  const detectors = new Detectors({ profile });
  carriedOut(row).forEach((call, id) => detectors.observe({ kind: 'call', at: 0, id, ...profiled(row, call) }));
  return detectors.driftScore;
}

/**
 * The call with the literal origins of its values, as the broker sees them: the prompt, or the result of a call of some tool. Whether a
 * result contained an attack is not used.
 */
function profiled(row: Row, call: Call): ProfiledCall {
  const origins: Record<string, string[]> = {};
  for (const [path, from] of Object.entries(call.src ?? {})) {
    const own = (origins[path.replaceAll(/\[\d+\]/g, '')] ??= []);
    for (const one of from) own.push(one === 'p' ? 'prompt' : (row.calls[Number(String(one).replace(/^i/, ''))]?.tool ?? 'unknown'));
  }
  return { tool: call.tool, input: call.args, origins };
}
