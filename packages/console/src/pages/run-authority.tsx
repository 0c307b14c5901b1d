/** Everything that a run can reach, each with the chain of grants behind it, and the way to take one back. */
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole } from '../data/api.ts';
import { useLoad } from '../data/load.ts';
import { count } from '../format.ts';
import { Badge, Empty, Shown, Until } from '../ui/parts.tsx';
import { Code, Names, Text, WithheldNote } from '../ui/text.tsx';
import { ToolName } from '../ui/tool-name.tsx';
import { TakeBack, type Taken } from './run-revoke.tsx';
import type { TabProps } from './run-props.ts';

type Authority = RouteAnswer<'runAuthority'>;
type Reached = Authority['reaches'][number];
type Grant = Reached['chain'][number];

/** Each call uses a grant up a little. */
const EVERY_MS = 2_000;

export function AuthorityTab({ run }: TabProps) {
  const authority = useLoad((signal) => request('runAuthority', { params: { run: run.run } }, signal), {
    of: [run.run],
    at: [run.lifecycle],
    when: (changed, kinds) => changed === undefined || kinds.has('grant.revoked') || changed.has(run.run),
    every_ms: EVERY_MS,
  });
  const [taking, setTaking] = useState<Taken>();
  return (
    <Shown of={authority}>
      {(data) => (
        <>
          {data.ended && <p class="lead">It has ended, and reaches nothing any more. This is what it could reach.</p>}
          {data.quarantined !== null && (
            <p class="lead">
              Nothing of it can be used at present: <Text of={data.quarantined} />
            </p>
          )}
          {data.reaches.length === 0 && <Empty>It can reach nothing.</Empty>}
          <ul class="cards">
            {data.reaches.map((one) => (
              <li class="card pad" key={`${one.alias} ${one.chain[0]?.grant}`}>
                <Reach
                  of={one}
                  tenant={data.tenant}
                  take={hasRole('operator', 'admin') && !data.ended ? (grant) => setTaking({ grant, name: one.name }) : undefined}
                />
              </li>
            ))}
          </ul>
          {data.spawns.length > 0 && (
            <p>
              It may start <Names of={data.spawns} />, which reach no more than it does.
            </p>
          )}
          {data.code && <p>It may run programs that it makes, which reach no more than it does.</p>}
          {taking !== undefined && (
            <TakeBack
              of={taking}
              run={run.run}
              onClose={() => {
                setTaking(undefined);
                authority.again();
              }}
            />
          )}
        </>
      )}
    </Shown>
  );
}

interface ReachProps {
  readonly of: Reached;
  readonly tenant: string;
  readonly take: ((grant: string) => void) | undefined;
}

function Reach({ of, tenant, take }: ReachProps) {
  return (
    <>
      <p class="reach">
        <strong>{of.kind === 'tool' ? <ToolName of={of.name} tenant={tenant} /> : <Text of={of.name} />}</strong>{' '}
        <Badge tone={of.works ? 'good' : 'bad'}>{of.works ? 'works' : 'does not work'}</Badge>{' '}
        <span class="dim">
          {of.alias === '' ? 'its own mailbox' : of.kind}
          {of.alias === null ? ', received later' : of.alias === '' ? '' : `, as ${of.alias}`}
          {of.offered ? '' : ', no longer offered by the host'}
        </span>
      </p>
      <ol class="chain">
        {of.chain.map((grant) => (
          <li key={grant.grant}>
            <code>{grant.grant}</code> <span class="dim">held by</span> <Text of={grant.holder} />
            <Limits of={grant} />
            <WithheldNote of={grant.withheld} />
            {grant.revoked ? (
              <Badge tone="bad">revoked</Badge>
            ) : (
              take !== undefined && (
                <button type="button" onClick={() => take(grant.grant)}>
                  Take back…
                </button>
              )
            )}
          </li>
        ))}
      </ol>
    </>
  );
}

function Limits({ of }: { readonly of: Grant }) {
  const where = Object.entries(of.where);
  return (
    <span class="limits">
      {where.map(([path, condition]) => (
        <span key={path}>
          <Code of={path} /> <Text of={JSON.stringify(condition)} />
        </span>
      ))}
      {of.uses !== null && (
        <span>
          {count(of.used)} of {count(of.uses)} uses
        </span>
      )}
      {of.expires_at !== null && (
        <span>
          <Until at={of.expires_at} to="expires in" />
        </span>
      )}
      {of.rate_per_minute !== null && <span>{of.rate_per_minute} a minute</span>}
      {of.bytes !== null && <span>{count(of.bytes)} bytes</span>}
      {of.rights !== null && <span>only {of.rights.join(', ')}</span>}
      {of.trace && <span>told the trace of the run</span>}
      {of.only_clean && <span>only before it has read what a stranger may have written</span>}
    </span>
  );
}
