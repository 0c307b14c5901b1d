/** What an approval holds for besides the call that is shown: nothing, or later calls of the run within bounds that a person writes down. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { Brief, Text } from './text.tsx';

type Approval = RouteAnswer<'listApprovals'>['items'][number];
export interface Held {
  readonly scope: '' | 'destination' | 'shape';
  readonly uses: string;
  readonly amount: string;
  readonly minutes: string;
}
export const ALONE: Held = { scope: '', uses: '10', amount: '', minutes: '60' };

const MINUTE_MS = 60_000;

/** What the host is asked for; undefined: this call alone. */
export function holdsOf({ scope, uses, amount, minutes }: Held) {
  if (scope === '') return undefined;
  return {
    for: scope,
    uses: Number(uses),
    for_ms: Number(minutes) * MINUTE_MS,
    ...(amount === '' ? {} : { amount: Number(amount) }),
  } as const;
}

/** Whether nothing is missing. */
export const isWhole = ({ scope, uses, amount, minutes }: Held, { may_hold }: Approval): boolean =>
  scope === '' || (Number(uses) >= 1 && Number(minutes) > 0 && (may_hold?.money === null || (amount.trim() !== '' && Number(amount) >= 0)));

export function HoldFor({ of, held, set }: { readonly of: Approval; readonly held: Held; readonly set: (held: Held) => void }) {
  if (of.may_hold === null) return null;
  const { destination, money } = of.may_hold;
  const field = (name: 'uses' | 'amount' | 'minutes', label: string) => (
    <label>
      {label}
      <input
        inputMode="decimal"
        value={held[name]}
        maxLength={12}
        onInput={(event) => set({ ...held, [name]: event.currentTarget.value })}
      />
    </label>
  );
  return (
    <fieldset>
      <legend>It holds for</legend>
      <label>
        <span class="unseen">Which calls</span>
        <select value={held.scope} onChange={(event) => set({ ...held, scope: event.currentTarget.value as Held['scope'] })}>
          <option value="">this call alone</option>
          {destination !== null && <option value="destination">this and later calls of the run to the same destination</option>}
          <option value="shape">this and later calls of the run with the same names of arguments</option>
        </select>
      </label>
      {held.scope !== '' && (
        <>
          <p>
            Later calls to <Text of={of.tool} />
            {held.scope === 'destination' && destination !== null && (
              <>
                {' '}
                with <Brief of={destination} />
              </>
            )}{' '}
            are made without asking, as long as nothing about them is wider than what is shown here.
          </p>
          <div class="row">
            {field('uses', 'Further calls')}
            {money !== null && field('amount', 'Money of all of them')}
            {field('minutes', 'Minutes')}
          </div>
        </>
      )}
    </fieldset>
  );
}
