/** Tokens of people, who made them and until when they hold; and schedules. */
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole } from '../data/api.ts';
import { href } from '../data/address.ts';
import { useAttempt } from '../data/attempt.ts';
import { useLoad } from '../data/load.ts';
import { Ago, Badge, Copy, Empty, Loading, Problem, Until } from '../ui/parts.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Reason } from '../ui/reason.tsx';
import { Brief, Text } from '../ui/text.tsx';

type Token = RouteAnswer<'listTokens'>['items'][number];
type Schedule = RouteAnswer<'listSchedules'>['items'][number];
const ROLES = ['developer', 'operator', 'approver', 'auditor', 'admin', 'monitor'] as const;
const DAY_MS = 86_400_000;

export function People() {
  return (
    <section>
      <h1>Tokens and schedules</h1>
      {hasRole('auditor', 'admin') ? <Tokens /> : <Empty>Tokens are for the roles auditor and admin to see.</Empty>}
      <Schedules />
    </section>
  );
}

const holds = ({ revoked_at, expires_at }: Token): boolean => revoked_at === null && (expires_at === null || expires_at > Date.now());

function Tokens() {
  const { data, error, again } = useLoad((signal) => request('listTokens', {}, signal));
  const [makes, setMakes] = useState(false);
  const [revokes, setRevokes] = useState<Token>();
  const [all, setAll] = useState(false);
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  const rows = data.items.filter((one) => all || holds(one)).toReversed();
  const close = () => {
    setMakes(false);
    setRevokes(undefined);
    again();
  };
  return (
    <>
      <div class="bar">
        <h2>Tokens</h2>
        <label class="check inline">
          <input type="checkbox" checked={all} onChange={() => setAll(!all)} /> also those that hold no more
        </label>
        {hasRole('admin') && (
          <button type="button" onClick={() => setMakes(true)}>
            Make a token…
          </button>
        )}
      </div>
      {error !== undefined && <Problem of={error} again={again} />}
      <div class="scrolls" tabIndex={0} role="region" aria-label="Tokens">
        <table>
          <thead>
            <tr>
              {['Name', 'Tenant', 'Roles', 'Made', 'Used', 'Expires', 'Act'].map((name) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((token) => (
              <Row key={token.token} of={token} revoke={hasRole('admin') && holds(token) ? () => setRevokes(token) : undefined} />
            ))}
          </tbody>
        </table>
      </div>
      {makes && <Make onClose={close} />}
      {revokes !== undefined && (
        <Reason
          title={`Revoke the token ${revokes.name}?`}
          verb="Revoke it"
          act={(reason) => request('revokeToken', { params: { token: revokes.token }, query: { reason } })}
          onClose={close}
        >
          <p>It and all sessions that were begun with it stop working at once. It cannot be given back.</p>
        </Reason>
      )}
    </>
  );
}

function Row({ of, revoke }: { readonly of: Token; readonly revoke: (() => void) | undefined }) {
  return (
    <tr>
      <th scope="row">
        <Text of={of.name} />
      </th>
      <td>{of.tenant === '*' ? 'all' : of.tenant}</td>
      <td>{of.roles.join(', ')}</td>
      <td>
        <Ago at={of.created_at} /> by <Text of={of.created_by} />
      </td>
      <td>{of.used_at === null ? 'never' : <Ago at={of.used_at} />}</td>
      <td>
        {of.revoked_at !== null ? (
          <Badge tone="bad">revoked</Badge>
        ) : of.expires_at === null ? (
          'never'
        ) : (
          <Until at={of.expires_at} to="in" />
        )}
      </td>
      <td>
        {revoke !== undefined && (
          <button type="button" class="danger" aria-label={`Revoke ${of.name}`} onClick={revoke}>
            Revoke…
          </button>
        )}
      </td>
    </tr>
  );
}

const textOf = (form: FormData, name: string): string => {
  const value = form.get(name);
  return typeof value === 'string' ? value : '';
};

/** The secret is shown once, here; it is in no address and in no list. */
function Make({ onClose }: { readonly onClose: () => void }) {
  const [made, setMade] = useState<RouteAnswer<'makeToken'>>();
  const { attempt, busy, error } = useAttempt();
  const make = (form: FormData) =>
    attempt(async () => {
      const tenant = textOf(form, 'tenant').trim();
      const body = {
        name: textOf(form, 'name'),
        roles: ROLES.filter((role) => form.getAll('role').includes(role)),
        expires_in_ms: Number(form.get('days')) * DAY_MS,
        ...(tenant === '' ? {} : { tenant: tenant as never }),
      };
      setMade(await request('makeToken', { body }));
    });
  if (made !== undefined)
    return (
      <Dialog title="The token" onClose={onClose}>
        <p>This is shown once. Whoever has it is {made.name}.</p>
        <pre class="value" tabIndex={0}>
          {made.secret}
        </pre>
        <div class="row">
          <Copy text={made.secret} what="the token" />
          <button type="button" class="primary" onClick={onClose}>
            Close
          </button>
        </div>
      </Dialog>
    );
  return (
    <Dialog title="Make a token" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void make(new FormData(event.currentTarget));
        }}
      >
        <label for="t-name">Name: whose it is</label>
        <input id="t-name" name="name" required pattern="[a-z0-9][a-z0-9._@\-]*" maxLength={64} autofocus />
        <label for="t-tenant">Tenant; * is the whole host, none is your own</label>
        <input id="t-tenant" name="tenant" />
        <fieldset>
          <legend>Roles</legend>
          {ROLES.map((role) => (
            <label class="check" key={role}>
              <input type="checkbox" name="role" value={role} /> {role}
            </label>
          ))}
        </fieldset>
        <label for="t-days">Days until it expires</label>
        <input id="t-days" name="days" type="number" min={1} max={3650} value={90} required />
        {error !== undefined && <Problem of={error} />}
        <div class="row">
          <button type="submit" class="primary" disabled={busy}>
            Make it
          </button>
          <button type="button" onClick={onClose}>
            Back
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Schedules() {
  const { data, error, again } = useLoad((signal) => request('listSchedules', {}, signal));
  const [removes, setRemoves] = useState<Schedule>();
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  return (
    <>
      <h2>Schedules</h2>
      {error !== undefined && <Problem of={error} again={again} />}
      {data.items.length === 0 && <Empty>There is no schedule.</Empty>}
      <ul class="cards spaced">
        {data.items.map((one) => (
          <li class="card pad" key={one.schedule}>
            <code>{one.cron}</code>{' '}
            <strong>
              <Text of={one.agent} />
            </strong>{' '}
            <Brief of={one.input} />{' '}
            <span class="dim">
              {one.tenant} · by <Text of={one.created_by} />
              {one.next_at !== null && (
                <>
                  {' '}
                  · <Until at={one.next_at} to="next in" past="next now" />
                </>
              )}
            </span>{' '}
            {one.last_run !== null && <a href={href('run', one.last_run)}>its last run</a>}
            {one.last_error !== null && (
              <p class="problem">
                <Text of={one.last_error} />
              </p>
            )}
            {hasRole('developer', 'operator', 'admin') && (
              <button type="button" class="danger" onClick={() => setRemoves(one)}>
                Remove…
              </button>
            )}
          </li>
        ))}
      </ul>
      {removes !== undefined && (
        <Reason
          title={`Remove the schedule of ${removes.agent}?`}
          verb="Remove it"
          act={(reason) => request('removeSchedule', { params: { schedule: removes.schedule }, query: { reason } })}
          onClose={() => {
            setRemoves(undefined);
            again();
          }}
        >
          <p>No more runs are submitted by it; those that it has submitted stay.</p>
        </Reason>
      )}
    </>
  );
}
