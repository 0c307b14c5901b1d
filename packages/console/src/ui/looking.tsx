/** What a person says about a call or question without deciding about it: that they look at it, for others to see, or not now, for themselves. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole, me } from '../data/api.ts';
import { useAttempt } from '../data/attempt.ts';
import { Ago, Problem, Until } from './parts.tsx';
import { Text } from './text.tsx';

type Waiting = Pick<RouteAnswer<'listApprovals'>['items'][number], 'run' | 'call' | 'claim' | 'later' | 'expires_at'>;

const HOUR_MS = 3_600_000;
const SPANS: readonly (readonly [name: string, ms: number])[] = [
  ['for an hour', HOUR_MS],
  ['for four hours', 4 * HOUR_MS],
  ['for a day', 24 * HOUR_MS],
];

export function Looking({ of, done }: { readonly of: Waiting; readonly done: () => void }) {
  const { attempt, busy, error } = useAttempt();
  const params = { run: of.run, call: of.call };
  const act = (work: () => Promise<unknown>) => () => void attempt(work, done);
  const isOwn = of.claim?.by === me.value?.principal;
  return (
    <div class="row looking" role="group" aria-label="Look at it, or not now">
      {of.claim !== null && (
        <span>
          {isOwn ? 'You have' : <Text of={of.claim.by} />} {isOwn ? '' : 'has '}been looking at it since <Ago at={of.claim.since} />
        </span>
      )}
      {hasRole('approver', 'admin') &&
        (isOwn ? (
          <button type="button" disabled={busy} onClick={act(() => request('releaseApproval', { params }))}>
            Not any more
          </button>
        ) : (
          <button
            type="button"
            disabled={busy}
            onClick={act(() => request('claimApproval', { params, body: { take: of.claim !== null } }))}
          >
            {of.claim === null ? 'I am looking at it' : 'Take it over'}
          </button>
        ))}
      {of.later === null ? (
        <select
          aria-label="Not now: hide it from me"
          disabled={busy}
          value=""
          onChange={({ currentTarget: { value } }) => {
            const ms = SPANS[Number(value)]?.[1];
            if (value !== '' && ms !== undefined) act(() => request('putOffApproval', { params, body: { until: Date.now() + ms } }))();
          }}
        >
          <option value="">Not now…</option>
          {SPANS.map(([name, ms], i) => (
            <option key={name} value={String(i)}>
              {Date.now() + ms > of.expires_at ? `${name}: it expires before` : name}
            </option>
          ))}
        </select>
      ) : (
        <>
          <span>
            not now: <Until at={of.later} to="for" />
          </span>
          <button type="button" disabled={busy} onClick={act(() => request('putOffApproval', { params, body: { until: null } }))}>
            Show it again
          </button>
        </>
      )}
      {error !== undefined && <Problem of={error} />}
    </div>
  );
}

/** How many a list leaves out, with the way to see them. */
export function PutOff({ count, isShown, show }: { readonly count: number; readonly isShown: boolean; readonly show: () => void }) {
  if (count === 0 && !isShown) return null;
  return (
    <button type="button" class="quiet" onClick={show}>
      {isShown ? 'Leave out what I have put off' : `${count} put off: show`}
    </button>
  );
}
