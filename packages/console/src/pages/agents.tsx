/** Agents with their versions' aliases and breakers, and the quarantines in force, which are put up and lifted here. */
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole, me } from '../data/api.ts';
import { href, query } from '../data/address.ts';
import { anyOf, useLoad } from '../data/load.ts';
import { count, shortDigest } from '../format.ts';
import { Ago, Badge, Empty, Fact, Loading, Problem, Shown, Until } from '../ui/parts.tsx';
import { Reason } from '../ui/reason.tsx';
import { Search } from '../ui/search.tsx';
import { Text } from '../ui/text.tsx';
import { ToolName } from '../ui/tool-name.tsx';

type Agent = RouteAnswer<'listAgents'>['items'][number];
type Quarantine = RouteAnswer<'listQuarantines'>['items'][number];
const LIMIT = 200;
const changed = anyOf('agent.deployed', 'alias.moved', 'agent.resting', 'agent.recovered', 'quarantine.put', 'quarantine.lifted');

export function Agents() {
  const q = query.value.get('q') ?? '';
  const agents = useLoad((signal) => request('listAgents', { query: { limit: LIMIT, ...(q === '' ? {} : { q }) } }, signal), {
    at: [q],
    when: changed,
  });
  const stops = useLoad((signal) => request('listQuarantines', {}, signal), { when: changed });
  const [asks, setAsks] = useState<{ readonly put: Agent } | { readonly lift: Quarantine }>();
  const mayStop = hasRole('operator', 'admin');
  const again = () => {
    setAsks(undefined);
    agents.again();
    stops.again();
  };
  if (agents.data === undefined) return agents.error === undefined ? <Loading /> : <Problem of={agents.error} again={agents.again} />;
  return (
    <section>
      <div class="bar">
        <h1>Agents</h1>
        <Search of="agents" />
        {agents.data.next !== null && <span class="dim">the first {LIMIT}</span>}
      </div>
      {agents.error !== undefined && <Problem of={agents.error} again={agents.again} />}
      <Quarantines of={stops.data?.items ?? []} lift={mayStop ? (lift) => setAsks({ lift }) : undefined} />
      {stops.error !== undefined && <Problem of={stops.error} again={stops.again} />}
      {agents.data.items.length === 0 && <Empty>{q === '' ? 'No agent was deployed yet.' : 'No agent matches.'}</Empty>}
      <ul class="cards">
        {agents.data.items.map((agent) => (
          <li class="card pad" key={`${agent.tenant} ${agent.agent}`}>
            <AgentCard of={agent} stop={mayStop ? () => setAsks({ put: agent }) : undefined} />
          </li>
        ))}
      </ul>
      {asks !== undefined && ('put' in asks ? <Put of={asks.put} onClose={again} /> : <Lift of={asks.lift} onClose={again} />)}
    </section>
  );
}

function AgentCard({ of, stop }: { readonly of: Agent; readonly stop: (() => void) | undefined }) {
  return (
    <>
      <div class="bar">
        <h2>
          <Text of={of.agent} />
        </h2>
        {me.value?.tenant === '*' && <span class="dim">{of.tenant}</span>}
        <a href={`${href('runs')}?q=${encodeURIComponent(`agent:${of.agent} tenant:${of.tenant}`)}`}>its runs</a>
        {stop !== undefined && (
          <button type="button" class="danger" onClick={stop}>
            Quarantine…
          </button>
        )}
      </div>
      <p>
        <Text of={of.purpose} />
      </p>
      <p class="dim">
        {of.versions === 1 ? '1 version' : `${of.versions} versions`}, the latest <code title={of.latest}>{shortDigest(of.latest)}</code>
        {of.aliases.map(({ alias, version, moved_at, moved_by }) => (
          <span key={alias}>
            {' '}
            · {alias} → <code title={version}>{shortDigest(version)}</code> (<Ago at={moved_at} /> by <Text of={moved_by} />)
          </span>
        ))}
      </p>
      <Uses of={of} />
      {of.resting.map(({ version, why, until }) => (
        <p class="problem" key={version}>
          <Badge tone="bad">too many failures</Badge> <code title={version}>{shortDigest(version)}</code>: <Text of={why} />.{' '}
          <Until at={until} to="No run of it is admitted for another" past="It is tried again now." />
        </p>
      ))}
    </>
  );
}

/** What its latest version asks for, read when somebody wants to know it. */
function Uses({ of: { agent, tenant } }: { readonly of: Agent }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>What it may reach</summary>
      {isOpen && <Asked agent={agent} tenant={tenant} />}
    </details>
  );
}

/** Kinds of what an agent asks for that have the name of one tool. */
const ONE_TOOL = /^(?:tool:(.+)|(?:service|model|http):.+)$/;

function Asked({ agent, tenant }: Pick<Agent, 'agent' | 'tenant'>) {
  const shown = useLoad((signal) => request('showAgent', { params: { agent }, query: { tenant } }, signal), { of: [agent, tenant] });
  return (
    <Shown of={shown}>
      {({ latest, history }) => {
        const uses = Object.entries(history.find(({ version }) => version === latest)?.manifest.uses ?? {});
        return uses.length === 0 ? (
          <p class="dim">Its latest version asks for nothing.</p>
        ) : (
          <ul class="plain">
            {uses.map(([alias, asked]) => {
              const [whole, tool = whole] = ONE_TOOL.exec(asked) ?? [];
              return (
                <li key={alias}>
                  {tool === undefined ? <Text of={asked} /> : <ToolName of={tool} tenant={tenant} />}{' '}
                  <span class="dim">
                    as <Text of={alias} />
                  </span>
                </li>
              );
            })}
          </ul>
        );
      }}
    </Shown>
  );
}

function Quarantines({ of, lift }: { readonly of: readonly Quarantine[]; readonly lift: ((one: Quarantine) => void) | undefined }) {
  if (of.length === 0) return null;
  return (
    <>
      <h2>Quarantines in force</h2>
      <ul class="cards spaced">
        {of.map((one) => (
          <li class="card pad" key={`${one.kind} ${one.name} ${one.tenant}`}>
            <Badge tone="warn">{one.kind}</Badge>{' '}
            <strong>
              <Text of={one.name} />
            </strong>{' '}
            {one.tenant === null ? 'in every tenant' : `in ${one.tenant}`} · <Text of={one.reason} />{' '}
            <span class="dim">
              by <Text of={one.by} />, <Ago at={one.at} />
            </span>{' '}
            {lift !== undefined && (
              <button type="button" onClick={() => lift(one)}>
                Lift…
              </button>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

function Put({ of, onClose }: { readonly of: Agent; readonly onClose: () => void }) {
  const put = (reason: string) => request('putQuarantine', { body: { kind: 'agent', name: of.agent, tenant: of.tenant, reason } });
  return (
    <Reason title={`Quarantine ${of.agent}?`} verb="Quarantine it" act={put} onClose={onClose}>
      <Reach of={of} />
      <p>All runs of it in {of.tenant} stop where they are, and no other is admitted, until a person lifts this. Nothing is lost.</p>
    </Reason>
  );
}

/** How many runs that stops, as the host counts them now. */
function Reach({ of }: { readonly of: Agent }) {
  const live = { agent: of.agent, tenant: of.tenant, live: 'true', total: 'true', limit: 1 } as const;
  const reach = useLoad(
    async (signal) => {
      const [runs, calling] = await Promise.all([
        request('listRuns', { query: live }, signal),
        request('listRuns', { query: { ...live, waiting: 'call' } }, signal),
      ]);
      return { runs: runs.total ?? 0, calling: calling.total ?? 0 };
    },
    { of: [of.agent, of.tenant] },
  );
  return (
    <Shown of={reach}>
      {({ runs, calling }) => (
        <dl class="facts">
          <Fact name="Runs that stop">{count(runs)}</Fact>
          <Fact name="Runs of these that wait for an answer of a tool">{count(calling)}</Fact>
        </dl>
      )}
    </Shown>
  );
}

function Lift({ of, onClose }: { readonly of: Quarantine; readonly onClose: () => void }) {
  const { kind, name, tenant } = of;
  const lift = (reason: string) =>
    request('liftQuarantine', {
      params: { kind, name },
      query: { reason, ...(tenant === null ? { tenant: '*' } : { tenant }) },
    });
  return (
    <Reason title={`Lift the quarantine of ${name}?`} verb="Lift it" act={lift} onClose={onClose}>
      <p>Runs that it stopped go on.</p>
    </Reason>
  );
}
