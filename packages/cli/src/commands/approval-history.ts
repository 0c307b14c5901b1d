/** `approvals --history`: what people decided about calls and questions. */
import type { RouteAnswer, RouteRequest } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import { DECIDED_AS, type DecidedAs } from '@corral/protocol/ports/approvals';
import { connect, print, type HostFlags } from '../connect.ts';
import { runId } from '../ids.ts';
import { timeArgument } from '../selector.ts';
import { duration, printable } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { wholeNumber } from '../whole-number.ts';
import { inTenant } from './agents.ts';

export interface HistoryFlags extends HostFlags {
  readonly tenant?: string;
  readonly limit?: string;
  readonly cursor?: string;
  readonly run?: string;
  readonly agent?: string;
  readonly tool?: string;
  readonly by?: string;
  readonly verdict?: string;
  readonly since?: string;
  readonly until?: string;
}

type Decided = RouteAnswer<'listDecisions'>['items'][number];

const SAID: Readonly<Record<DecidedAs, string>> = {
  approve: 'approved',
  deny: 'denied',
  answer: 'answered',
  decline: 'declined',
  expired: 'expired',
  withdrawn: 'withdrawn',
};

export async function history(flags: HistoryFlags): Promise<void> {
  const { run, agent, tool, by, verdict, since, until, cursor, limit } = flags;
  const now = Date.now();
  const query: RouteRequest<'listDecisions'>['query'] = {
    ...inTenant(flags),
    limit: limit === undefined ? 50 : wholeNumber(limit, '--limit'),
    counts: 'true',
    arguments: 'false',
    ...(cursor === undefined ? {} : { cursor }),
    ...(run === undefined ? {} : { run: runId(run) }),
    ...(agent === undefined ? {} : { agent }),
    ...(tool === undefined ? {} : { tool }),
    ...(by === undefined ? {} : { by }),
    ...(verdict === undefined ? {} : { verdict: verdict.split(',').map((one) => verdictOf(one)) }),
    ...(since === undefined ? {} : { since: timeArgument('--since', since, now) }),
    ...(until === undefined ? {} : { until: timeArgument('--until', until, now) }),
  };
  const page = await connect(flags).listDecisions({ query });
  const more = page.next === null ? [] : [`more: --cursor ${page.next}`];
  print(flags, page, () => [...page.items.flatMap((one) => lines(one)), countLine(page.counts ?? {}), ...more].join('\n'));
}

/** @throws CORRAL_USAGE */
function verdictOf(text: string): DecidedAs {
  const found = DECIDED_AS.find((one) => one === text || SAID[one] === text);
  if (found !== undefined) return found;
  throw new CorralError('CORRAL_USAGE', `--verdict knows ${DECIDED_AS.join(', ')}, and not ${text.slice(0, 60)}.`);
}

const lines = ({ run, call, agent, tenant, tool, verdict, by, at, waited_ms, reason }: Decided): string[] => [
  `${run}  call ${call}  ${tool}`,
  `  asked by    ${agent} of ${tenant}`,
  `  ${verdict === 'expired' || verdict === 'withdrawn' ? `${SAID[verdict].padEnd(11)} ${moment(at)}` : `${`${SAID[verdict]} by`.padEnd(11)} ${by}, ${moment(at)}`}, after ${duration(waited_ms)}${reason === '' ? '' : `: ${printable(reason)}`}`,
];

function countLine(counts: Partial<Record<DecidedAs, number>>): string {
  const parts = DECIDED_AS.flatMap((one) => (counts[one] === undefined ? [] : [`${counts[one]} ${SAID[one]}`]));
  return parts.length === 0 ? 'nobody decided anything' : parts.join(', ');
}
