/** People's marks on what detectors found, and the thresholds that the marks support: a proposal for review, never a change. */
import { DETECTORS, type DetectorName } from '@corral/policy/detection/list';
import { HOST_LADDER } from '@corral/policy/detection/ladder';
import { tune, type Mark, type Proposal } from '@corral/policy/detection/tuning';
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import { WATCHED, type LoopOptions } from '@corral/supervisor';
import type { ServerContext } from '../context.ts';
import type { MarkRow } from '@corral/protocol/ports/front';
import { findRun, type Handlers } from './handler.ts';

export function markRoutes(door: ServerContext): Handlers<'markRun' | 'listMarks' | 'tuning'> {
  const { host, marks, settings, turns, clock } = door;
  const loopsOf = (tenant: string): LoopOptions => {
    const loops = settings.inForce().tenants[tenant]?.loops;
    return loops === undefined || loops === false ? WATCHED : loops;
  };
  const view = ({ run, tenant, ...mark }: MarkRow) => ({ run: run as never, tenant: tenant as never, ...mark });

  return {
    async markRun({ params, body }, { access, keep }) {
      const row = findRun(door, access, 'run.mark', params.run);
      const { verdict, reason, detector } = body;
      if (detector !== undefined && !isDetector(detector))
        throw new CorralError('CORRAL_REQUEST_INVALID', `There is no detector ${detector}. There are: ${DETECTORS.join(', ')}.`);
      const peaks = (await turns.take(access.principal.tenant, () => host.peaks(params.run))).filter(
        ({ finding }) => detector === undefined || finding.detector === detector,
      );
      // A mark on the run as a whole also counts findings below every threshold, because such a finding may cross a changed
      // threshold.
      if (peaks.every(({ step }) => step === null) && (verdict === 'false_alarm' || detector !== undefined))
        throw new CorralError(
          'CORRAL_RUN_STATE',
          `No step was taken on ${params.run} for ${detector ?? 'anything'}, so there is nothing to mark.`,
        );
      const common = {
        run: params.run,
        tenant: row.tenant,
        agent: row.agent,
        verdict,
        by: access.principal.id,
        reason,
        at: clock.now(),
      };
      const made: MarkRow[] = peaks.map(({ finding, step }) => ({
        ...common,
        detector: finding.detector,
        step,
        confidence: finding.confidence,
        text: finding.evidence.text,
        subjects: [...finding.evidence.subjects],
        figures: { ...finding.evidence.figures },
      }));
      if (verdict === 'confirmed' && detector === undefined)
        made.push({ ...common, detector: '', step: null, confidence: 0, text: '', subjects: [], figures: {} });
      const target = { run: params.run, verdict, ...(detector === undefined ? {} : { detector }) };
      door.db.durably(() => {
        marks.keep(made);
        keep({ target, tenant: row.tenant, matched: [params.run] });
      });
      return { items: made.map((mark) => view(mark)) };
    },

    async listMarks({ query }, { access }) {
      return { items: marks.list(access.some('mark.read', query.tenant), query.agent).map((mark) => view(mark)) };
    },

    async tuning({ query }, { access }) {
      const tenant = access.one('mark.read', query.tenant);
      const of = loopsOf(tenant);
      const said = marks.list(tenant).filter((mark): mark is MarkRow & { readonly detector: DetectorName } => isDetector(mark.detector));
      const proposal = await turns.take(access.principal.tenant, async () => tune(HOST_LADDER, of, said satisfies readonly Mark[]));
      return { tenant, ...changesOf(proposal), patch: patchOf(of, proposal) };
    },
  };
}

const isDetector = (name: string): name is DetectorName => (DETECTORS as readonly string[]).includes(name);
const runsOf = (marks: readonly Mark[]) => marks.map(({ run }) => run);

function changesOf({ changes, still }: Proposal) {
  return {
    changes: changes.map(({ agent, detector, step, from, to, false_alarms, kept, lost }) => ({
      agent: agent ?? null,
      detector,
      step,
      from,
      to,
      false_alarms: runsOf(false_alarms),
      kept: runsOf(kept),
      lost: runsOf(lost),
    })),
    still: runsOf(still),
  };
}

/**
 * The whole of `loops` with the proposed changes, and with what holds where a configuration says nothing: a patch must not switch on
 * steps, such as killing, that the tenant did not have.
 */
function patchOf(of: LoopOptions, { changes, layers }: Proposal): Json {
  if (changes.length === 0) return null;
  return JSON.parse(JSON.stringify({ ...of, ...layers })) as Json;
}
