/** The tools of a tenant, and one of them: who may reach it, which runs hold it now, what was called lately; and the way to take it back. */
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole, me } from '../data/api.ts';
import { ask as alter, href, place, query } from '../data/address.ts';
import { useLoad } from '../data/load.ts';
import { callHref, partHref } from '../data/run-parts.ts';
import { count, duration, shortDigest, tail } from '../format.ts';
import { Ago, Badge, Empty, Fact, Problem, Shown, State, Until } from '../ui/parts.tsx';
import { Reason } from '../ui/reason.tsx';
import { Search } from '../ui/search.tsx';
import { Table } from '../ui/table.tsx';
import { Code, Text } from '../ui/text.tsx';
import { ToolName } from '../ui/tool-name.tsx';
import { Bulk, type BulkTarget } from './runs-bulk.tsx';

type Tool = RouteAnswer<'showTool'>;
/** Runs that are listed one by one. */
const RUNS = 50;
/** Runs come by a tool and lose it with their events, of which there may be many. */
const EVERY_MS = 2_000;

export function Tools() {
  const [, tool] = place.value;
  const tenant = query.value.get('tenant') ?? undefined;
  const ofHost = me.value?.tenant === '*';
  if (tool === undefined || (ofHost && tenant === undefined)) return <List named={tool} />;
  return <OneTool tool={tool} tenant={tenant} key={`${tenant} ${tool}`} />;
}

const inTenant = (tenant: string | undefined) => (tenant === undefined ? {} : { tenant: tenant as never });

/** The tools of all tenants whose tools one sees. @param named the only one, in whichever tenants: the address does not say in which */
function List({ named }: { readonly named: string | undefined }) {
  const ofHost = me.value?.tenant === '*';
  const tools = useLoad((signal) => request('listTools', { query: inTenant(ofHost ? '*' : undefined) }, signal));
  const own = (tools.data?.items ?? []).filter(({ tool }) => named === undefined || tool === named);
  const tenants = [...new Set(own.map((one) => one.tenant))];
  const tenant = query.value.get('tenant') ?? '';
  const q = (query.value.get('q') ?? '').toLowerCase();
  const found = own.filter((one) => (tenant === '' || one.tenant === tenant) && `${one.tool} ${one.description}`.toLowerCase().includes(q));
  return (
    <section>
      <div class="bar">
        <h1>Tools</h1>
        <Search of="tools" />
        {tenants.length > 1 && (
          <select aria-label="Tenant" value={tenant} onChange={(event) => alter({ tenant: event.currentTarget.value })}>
            <option value="">All tenants</option>
            {tenants.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
      </div>
      <Shown of={tools}>
        {({ items }) =>
          found.length === 0 ? (
            <Empty>{items.length === 0 ? 'The host offers no tool.' : 'No tool matches.'}</Empty>
          ) : (
            <div class="scrolls" tabIndex={0} role="region" aria-label="Tools">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Tool</th>
                    {tenants.length > 1 && <th scope="col">Tenant</th>}
                    <th scope="col">What it does</th>
                  </tr>
                </thead>
                <tbody>
                  {found.map((one) => (
                    <tr key={`${one.tenant} ${one.tool}`}>
                      <th scope="row">
                        <ToolName of={one.tool} tenant={ofHost ? one.tenant : undefined} />
                      </th>
                      {tenants.length > 1 && (
                        <td>
                          <Text of={one.tenant} />
                        </td>
                      )}
                      <td class="dim">
                        <Text of={one.description} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Shown>
    </section>
  );
}

interface OneProps {
  readonly tool: string;
  readonly tenant: string | undefined;
}

function OneTool({ tool, tenant }: OneProps) {
  const seen = useLoad((signal) => request('showTool', { params: { tool }, query: inTenant(tenant) }, signal), {
    when: () => true,
    every_ms: EVERY_MS,
  });
  const [taking, setTaking] = useState<Take>();
  const [stops, setStops] = useState(false);
  const take = hasRole('operator', 'admin') ? setTaking : undefined;
  const quarantine = () => {
    setTaking(undefined);
    setStops(true);
  };
  const { data } = seen;
  return (
    <section class="tool">
      <p>
        <a href={href('tools')}>Tools</a>
      </p>
      <Shown of={seen}>
        {(of) => (
          <>
            <Head of={of} take={take} stop={take && (() => setStops(true))} />
            <Declared of={of} take={take} />
            <Holding of={of} take={take} />
            <Called of={of} />
          </>
        )}
      </Shown>
      {taking !== undefined && (
        <Bulk
          verb="revoke"
          taking={{
            tool,
            from: taking.from,
            after: <After of={taking} tool={tool} quarantine={quarantine} />,
          }}
          target={taking.target}
          onClose={() => {
            setTaking(undefined);
            seen.again();
          }}
        />
      )}
      {stops && data !== undefined && (
        <Reason
          title={`Quarantine ${tool}?`}
          verb="Quarantine it"
          act={(reason) => request('putQuarantine', { body: { kind: 'tool', name: tool, tenant: data.tenant, reason } })}
          onClose={() => {
            setStops(false);
            seen.again();
          }}
        >
          <p>Nobody in {data.tenant} calls it until a person lifts this; runs keep it, and their calls to it are refused meanwhile.</p>
        </Reason>
      )}
    </section>
  );
}

/** From whom the tool is to be taken. */
interface Take {
  readonly target: BulkTarget;
  readonly from: string;
  /** The agent of the runs; undefined: they are of all agents. */
  readonly agent: string | undefined;
}

interface PartProps {
  readonly of: Tool;
  /** Undefined: the roles of who is signed in do not take anything back. */
  readonly take: ((what: Take) => void) | undefined;
}

const agentsHref = (agent: string): string => `${href('agents')}?q=${encodeURIComponent(agent)}`;

interface AfterProps {
  readonly of: Take;
  readonly tool: string;
  readonly quarantine: () => void;
}

/** A tool is taken from runs, and not from what its agents declare. */
function After({ of: { agent }, tool, quarantine }: AfterProps) {
  return (
    <>
      New runs
      {agent !== undefined && (
        <>
          {' '}
          of <Text of={agent} />
        </>
      )}{' '}
      get <Text of={tool} /> again. To stop these too:{' '}
      {agent === undefined ? (
        <button type="button" class="quiet" onClick={quarantine}>
          Quarantine <Text of={tool} />…
        </button>
      ) : (
        <a href={agentsHref(agent)}>
          Quarantine <Text of={agent} />…
        </a>
      )}
    </>
  );
}

function Head({ of, take, stop }: PartProps & { readonly stop: (() => void) | undefined }) {
  const facts = Object.entries(of.annotations).filter(([, value]) => value !== false && value !== null);
  return (
    <>
      <div class="bar">
        <h1>
          <Text of={of.tool} />
        </h1>
        {me.value?.tenant === '*' && <span class="dim">{of.tenant}</span>}
        {!of.offered && <Badge tone="warn">not offered by the host</Badge>}
        {take !== undefined && of.holding > 0 && (
          <button
            type="button"
            class="danger"
            onClick={() => take({ target: { tenant: of.tenant }, from: `all agents of ${of.tenant}`, agent: undefined })}
          >
            Take it back from all…
          </button>
        )}
        {stop !== undefined && of.quarantined === null && (
          <button type="button" class="danger" onClick={stop}>
            Quarantine…
          </button>
        )}
      </div>
      {of.description !== '' && (
        <p>
          <Text of={of.description} />
        </p>
      )}
      {of.quarantined !== null && (
        <p class="problem">
          Under quarantine: nobody calls it. <Text of={of.quarantined.reason} />{' '}
          <span class="dim">
            by <Text of={of.quarantined.by} />, <Ago at={of.quarantined.at} />
          </span>{' '}
          <a href={href('agents')}>Quarantines</a>
        </p>
      )}
      {of.resting !== null && (
        <p class="problem">
          Too many calls failed: <Text of={of.resting.why} />{' '}
          <Until at={of.resting.until} to="It is not called for another" past="It is tried again." />
        </p>
      )}
      <dl class="facts">
        <Fact name="Runs that hold it">{count(of.holding)}</Fact>
        <Fact name="Calls under way">{count(of.under_way)}</Fact>
        {facts.map(([name, value]) => (
          <Fact name={name} key={name}>
            <Text of={value === true ? 'yes' : typeof value === 'string' ? value : JSON.stringify(value)} />
          </Fact>
        ))}
      </dl>
    </>
  );
}

interface Agent {
  readonly agent: string;
  readonly versions: readonly string[];
  readonly as: readonly string[];
  readonly live: number;
  readonly holding: number;
  /** Whether a version of it declares the tool; its runs were handed it otherwise. */
  readonly isDeclared: boolean;
}

/** By agent: its versions that declare the tool, or whose runs were handed it. */
function agentsOf({ declared, handed }: Tool): Agent[] {
  const all = [...declared, ...handed.map((one) => ({ ...one, latest: false, aliases: [], as: [], live: one.holding }))];
  return [...Map.groupBy(all, ({ agent }) => agent)].map(([agent, versions]) => ({
    agent,
    versions: versions.map(({ version, latest, aliases }) => [shortDigest(version), ...(latest ? ['latest'] : []), ...aliases].join(' ')),
    as: [...new Set(versions.flatMap((one) => one.as))],
    live: versions.reduce((sum, one) => sum + one.live, 0),
    holding: versions.reduce((sum, one) => sum + one.holding, 0),
    isDeclared: versions.some((one) => one.as.length > 0),
  }));
}

function Declared({ of, take }: PartProps) {
  const agents = agentsOf(of);
  return (
    <>
      <h2>Agents that may reach it</h2>
      {agents.length === 0 ? (
        <Empty>No agent declares it, and no run was handed it.</Empty>
      ) : (
        <Table
          label="Agents that may reach it"
          first="Agent"
          rows={agents}
          keyOf={({ agent }) => agent}
          head={({ agent }) => (
            <a href={agentsHref(agent)}>
              <Text of={agent} />
            </a>
          )}
          columns={[
            ['Versions', ({ versions }) => <Text of={versions.join(', ')} />],
            ['As', ({ as, isDeclared }) => (isDeclared ? <Text of={as.join(', ')} /> : 'handed to its runs')],
            ['Runs not ended', ({ live }) => count(live)],
            ['Hold it', ({ holding }) => count(holding)],
            [
              'Act',
              ({ agent, holding }) =>
                take !== undefined && (
                  <>
                    {holding > 0 && (
                      <button
                        type="button"
                        class="danger"
                        aria-label={`Take back… from ${agent}`}
                        onClick={() => take({ target: { agent, tenant: of.tenant }, from: agent, agent })}
                      >
                        Take back…
                      </button>
                    )}{' '}
                    <a href={agentsHref(agent)} aria-label={`Quarantine… ${agent}`}>
                      Quarantine…
                    </a>
                  </>
                ),
            ],
          ]}
        />
      )}
    </>
  );
}

function Holding({ of, take }: PartProps) {
  const { data, error, again } = useLoad(
    (signal) => request('listRuns', { query: { holds: of.tool, tenant: of.tenant, limit: RUNS, total: 'true' } }, signal),
    { of: [of.tool, of.tenant], at: [of.holding], when: () => true, every_ms: EVERY_MS },
  );
  if (error !== undefined && data === undefined) return <Problem of={error} again={again} />;
  const items = data?.items ?? [];
  const more = (data?.total ?? 0) - items.length;
  return (
    <>
      <h2>Runs that hold it</h2>
      {data !== undefined && items.length === 0 && <Empty>No run holds it now.</Empty>}
      <ul class="lines">
        {items.map((run) => (
          <li key={run.run}>
            <State of={run} />{' '}
            <a href={partHref(run.run, 'authority')}>
              <Text of={run.agent} />
            </a>{' '}
            <code>{run.run}</code>{' '}
            <span class="dim">
              <Ago at={run.created_at} /> by <Text of={run.principal} />
            </span>{' '}
            {take !== undefined && (
              <button
                type="button"
                aria-label={`Take back… from ${run.run}`}
                onClick={() => take({ target: { run: run.run }, from: `the run ${tail(run.run)}`, agent: run.agent })}
              >
                Take back…
              </button>
            )}
          </li>
        ))}
        {more > 0 && (
          <li>
            {count(more)} more: <a href={`${href('runs')}?q=${encodeURIComponent(`tool:${of.tool} tenant:${of.tenant}`)}`}>Runs</a>
          </li>
        )}
      </ul>
    </>
  );
}

function Called({ of: { called } }: { readonly of: Tool }) {
  return (
    <>
      <h2>Called lately</h2>
      {called.length === 0 && <Empty>No call of it is known.</Empty>}
      <ul class="lines">
        {called.map(({ run, agent, call, at, ms, code }) => (
          <li key={`${run} ${call}`}>
            <Badge tone={code === null ? 'good' : 'bad'}>{code === null ? 'answered' : 'failed'}</Badge>{' '}
            <a href={callHref(run, call)}>
              call {call} of <Text of={agent === '' ? run : agent} />
            </a>{' '}
            {code !== null && <Code of={code} />}{' '}
            <span class="dim">
              <Ago at={at} />
              {ms !== null && `, took ${duration(ms)}`}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
