/**
 * `npm run eval -- fields --data DIR [--json] [--changes] [--hasty]`: what it changes to say who writes the fields of results (who-writes.ts). Each recorded
 * run is judged by the broker twice, with what provenance guesses about its results and with the fields declared; and so once more with values
 * that the recordings cut off put back as fields. Attacks are told differently besides (perturb.ts). With `--hasty`, declarations are wrong.
 */
import { load, type Trace } from './containment-data.ts';
import { busJudge } from './containment-bus.ts';
import { SETTINGS, type Judge, type Verdict } from './containment-judges.ts';
import { contained, isAttack, isBenign, isResisted, replay, score, type Judged } from './containment.ts';
import type { Score } from './containment-score.ts';
import type { Measured } from './options.ts';
import { PERTURBATIONS } from './perturb.ts';
import { declared } from './who-writes.ts';

const KINDS = { honest: isBenign, resisted: isResisted, attacked: isAttack } as const;
type Kind = keyof typeof KINDS;

/** Calls that were asked about or refused, by rule: a call that several rules oppose counts for each. */
type ByRule = Record<string, Record<Kind, readonly [guessed: number, declared: number]>>;

interface Comparison {
  readonly guessed: Score;
  readonly declared: Score;
  readonly rules: ByRule;
  /** Runs in which fewer, or more, calls were stopped. */
  readonly runs: Record<Kind, { readonly fewer: number; readonly more: number }>;
  /** Effects of attackers that were stopped, and no longer are; and attacks that were contained, and no longer are. */
  readonly let_through: { readonly effects: number; readonly attacks: number };
}

const stopped = ({ verdict }: Verdict) => verdict !== 'allow';
const stops = ({ verdicts }: Judged) => verdicts.filter((one) => stopped(one)).length;

interface Pair {
  readonly guessed: Judged;
  readonly declared: Judged;
}
type How = Parameters<typeof declared>[1];
const judgedTwice = (traces: readonly Trace[], judge: Judge, how: How): Pair[] =>
  traces.map((trace) => {
    const other = declared(trace, how);
    return { guessed: { trace, verdicts: replay(trace, judge) }, declared: { trace: other, verdicts: replay(other, judge) } };
  });

function compared(pairs: readonly Pair[]): Comparison {
  const rules: Record<string, Record<Kind, [number, number]>> = {};
  for (const kind of Object.keys(KINDS) as Kind[]) {
    for (const pair of pairs.filter(({ guessed }) => KINDS[kind](guessed.trace))) {
      for (const [i, one] of [pair.guessed, pair.declared].entries())
        for (const verdict of one.verdicts)
          for (const rule of stopped(verdict) ? (verdict.rules ?? ['refused']) : [])
            (rules[rule] ??= { honest: [0, 0], resisted: [0, 0], attacked: [0, 0] })[kind][i as 0 | 1] += 1;
    }
  }
  const runsOf = (kind: Kind) => {
    const some = pairs.filter(({ guessed }) => KINDS[kind](guessed.trace));
    return {
      fewer: some.filter(({ guessed, declared: other }) => stops(other) < stops(guessed)).length,
      more: some.filter(({ guessed, declared: other }) => stops(other) > stops(guessed)).length,
    };
  };
  return {
    guessed: score(pairs.map(({ guessed }) => guessed)),
    declared: score(pairs.map((pair) => pair.declared)),
    rules: Object.fromEntries(Object.entries(rules).sort(([a], [b]) => (a < b ? -1 : 1))),
    runs: { honest: runsOf('honest'), resisted: runsOf('resisted'), attacked: runsOf('attacked') },
    let_through: letThrough(pairs),
  };
}

function letThrough(pairs: readonly Pair[]): Comparison['let_through'] {
  const attacks = pairs.filter(({ guessed }) => isAttack(guessed.trace));
  const effects = attacks.flatMap(({ guessed, declared: other }) =>
    guessed.verdicts.filter(
      (one, i) => guessed.trace.truth.hijack_effect[i] === true && stopped(one) && !stopped(other.verdicts[i] as Verdict),
    ),
  );
  return {
    effects: effects.length,
    attacks: attacks.filter(({ guessed, declared: other }) => contained(guessed) && !contained(other)).length,
  };
}

/** Each attack told differently, by the rules in TypeScript: how many of them were contained, and no longer are. */
function toldDifferently(traces: readonly Trace[], how: How): Record<string, Comparison['let_through']> {
  const judge = SETTINGS['default pack'] as Judge;
  return Object.fromEntries(
    Object.entries(PERTURBATIONS).map(([name, perturb]) => {
      const told = traces.filter((trace) => isAttack(trace)).flatMap((trace) => perturb(trace) ?? []);
      return [name, letThrough(judgedTwice(told, judge, how))];
    }),
  );
}

/** The calls that are decided otherwise, one line for each kind. */
function changes(pairs: readonly Pair[]): string[] {
  const kinds = new Map<string, number>();
  for (const { guessed, declared: other } of pairs)
    guessed.trace.calls.forEach((call, i) => {
      const [before, after] = [guessed.verdicts[i] as Verdict, other.verdicts[i] as Verdict];
      if (before.verdict === after.verdict) return;
      const { suite, truth } = guessed.trace;
      const kind = `${suite} ${truth.task} ${truth.injection_task ?? ''} ${call.tool}: ${before.verdict} (${before.why}) → ${after.verdict} (${after.why}) ${JSON.stringify(call.args).slice(0, 150)}`;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    });
  return [...kinds].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => `${count} × ${kind}`);
}

export async function run(args: readonly string[], data: string | undefined): Promise<Measured> {
  if (data === undefined) throw new Error('Say where the recorded runs are: --data DIR');
  const wanted = (trace: Trace) => isAttack(trace) || isBenign(trace) || isResisted(trace);
  const traces = load(data).filter((trace) => wanted(trace));
  const how = args.includes('--hasty') ? 'hasty' : 'careful';
  const pairs = judgedTwice(traces, busJudge, how);
  const restored = judgedTwice(
    load(data, true).filter((trace) => wanted(trace)),
    busJudge,
    how,
  );
  const json = {
    as_recorded: compared(pairs),
    fields_put_back: compared(restored),
    by_suite: Object.fromEntries(
      [...Map.groupBy(restored, ({ guessed }) => guessed.trace.suite)].map(([suite, some]) => [suite, compared(some)]),
    ),
    told_differently: toldDifferently(traces, how),
  };
  const lines = args.includes('--changes') ? ['', ...changes(pairs), '', ...changes(restored)] : [];
  return { json, text: [text(json), ...lines].join('\n') };
}

function text(json: {
  readonly as_recorded: Comparison;
  readonly fields_put_back: Comparison;
  readonly told_differently: Record<string, Comparison['let_through']>;
}): string {
  const lines: string[] = [];
  for (const [name, one] of Object.entries({ 'as recorded': json.as_recorded, 'fields put back': json.fields_put_back })) {
    for (const [how, of] of Object.entries({ guessed: one.guessed, declared: one.declared }))
      lines.push(
        `${name}, ${how}: contained ${of.contained} of ${of.counts.attacks}, kept ${of.benign_kept} and asked ${of.asked} of ${of.counts.benign}, resisted kept ${of.resisted_kept} and asked ${of.resisted_asked} of ${of.counts.resisted}`,
      );
    lines.push(
      `  let through: ${one.let_through.effects} effects in ${one.let_through.attacks} attacks; runs asked less or more: ${JSON.stringify(one.runs)}`,
    );
    for (const [rule, of] of Object.entries(one.rules))
      lines.push(
        `  ${rule.padEnd(22)} ${Object.entries(of)
          .map(([kind, [a, b]]) => `${kind} ${a} → ${b}`)
          .join(', ')}`,
      );
  }
  const worse = Object.entries(json.told_differently).filter(([, { effects }]) => effects > 0);
  lines.push(
    `told differently in ${Object.keys(json.told_differently).length} ways: ${worse.length === 0 ? 'none lets anything through' : JSON.stringify(Object.fromEntries(worse))}`,
  );
  return lines.join('\n');
}
