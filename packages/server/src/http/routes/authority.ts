/** Everything a run can reach, and why: its grants, each with the chain it was derived from. */
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import type { Withheld } from '@corral/protocol/api/withheld';
import type { Json } from '@corral/protocol/json';
import type { RunRecord } from '@corral/protocol/model/run';
import { CorralError } from '@corral/protocol/errors';
import type { ServerContext } from '../context.ts';
import type { Reader } from '../../people/reader.ts';
import { findRun, type Handlers } from './handler.ts';

type Held = Grant & GrantState;

/** A grant, the one that it was derived from, and so on up to the first. */
function chainOf(own: Held, byId: ReadonlyMap<string, Held>): Held[] {
  const parent = own.parent === undefined ? undefined : byId.get(own.parent);
  return parent === undefined ? [own] : [own, ...chainOf(parent, byId)];
}

const stands = (one: Held, now: number): boolean =>
  !one.revoked && (one.expires_at === undefined || one.expires_at > now) && (one.uses === undefined || one.used < one.uses);

const viewOf = (one: Held, withheld: Withheld | undefined) => ({
  grant: one.id,
  holder: one.holder,
  where: withheld === undefined ? (one.where as Record<string, Json>) : {},
  ...(withheld === undefined ? {} : { withheld }),
  uses: one.uses ?? null,
  used: one.used,
  expires_at: one.expires_at ?? null,
  rate_per_minute: one.rate?.per_minute ?? null,
  bytes: one.bytes ?? null,
  rights: one.rights === undefined ? null : [...one.rights],
  only_clean: one.only_clean === true,
  trace: one.trace === true,
  revoked: one.revoked,
});

/** Conditions that an agent has put on a grant may repeat what it had read: what withholds those of each grant. */
async function madeBy({ host, labels }: ServerContext, reader: Reader, all: readonly Held[], byId: ReadonlyMap<string, Held>) {
  const found = new Map<string, Withheld>();
  const byMaker = Map.groupBy(
    all.filter(({ where }) => Object.keys(where).length > 0),
    ({ parent }) => (parent === undefined ? undefined : byId.get(parent)?.holder),
  );
  for (const [maker, grants] of byMaker) {
    // Those of a root grant are from a manifest or a submitter.
    const stored = maker === undefined ? undefined : await host.stored(maker).catch(() => undefined);
    if (maker === undefined) continue;
    const names = stored === undefined ? ['*'] : await labels.ofRun(stored);
    const withheld = reader.withheld(maker, stored?.record.tenant ?? '', names);
    if (withheld !== undefined) for (const { id } of grants) found.set(id, withheld);
  }
  return found;
}

export function authorityRoutes(door: ServerContext): Handlers<'runAuthority'> {
  const { host, clock, registry } = door;
  return {
    async runAuthority({ params }, { access, reader }) {
      const row = findRun(door, access, 'run.payload', params.run);
      const stored = await host.stored(params.run);
      if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${params.run} here.`);
      const { record, status } = stored;
      const { tenant, agent } = record;
      const all = await host.grants(params.run);
      const byId = new Map(all.map((one) => [one.id, one]));
      const makers = await madeBy(door, reader, all, byId);
      const aliases = new Map(record.caps.map(({ grant, alias }) => [grant, alias]));
      const order = ({ id }: Held) => {
        const at = record.caps.findIndex(({ grant }) => grant === id);
        return at < 0 ? record.caps.length : at;
      };
      const against = host.against({ tenant, agent }, row.version);
      const offered = new Set<string>([...host.tools(tenant).map(({ name }) => name), ...host.services(tenant)]);
      const ended = status.lifecycle === 'ended';
      const now = clock.now();
      const reaches = all
        .filter(({ holder }) => holder === params.run)
        // In the order of the agent's manifest; grants that were handed to the run later come last.
        .sort((a, b) => order(a) - order(b))
        .map((own) => {
          const { target } = own;
          const name = target.kind === 'tool' ? target.tool : target.run;
          const here = target.kind !== 'tool' || (offered.has(name) && host.againstTool(tenant, name) === undefined);
          const chain = chainOf(own, byId);
          return {
            alias: aliases.get(own.id) ?? null,
            kind: target.kind,
            name,
            offered: here,
            works: !ended && against === undefined && here && chain.every((one) => stands(one, now)),
            chain: chain.map((one) => viewOf(one, makers.get(one.id))),
          };
        });
      return {
        run: params.run,
        agent,
        tenant,
        principal: record.principal,
        ended,
        quarantined: against?.reason ?? null,
        reaches,
        budget: { ...record.budget },
        ...startsOf(record, row.version),
      };
    },
  };

  /** Which runs it may start, by the version it was admitted with, if that version was deployed here. A program starts none. */
  function startsOf({ tenant, agent, program }: RunRecord, version: string): { spawns: string[]; code: boolean } {
    if (program !== undefined) return { spawns: [], code: false };
    try {
      const { spawns, code } = registry.resolve(tenant, `${agent}@${version}`).manifest;
      return { spawns: [...spawns], code: code === true };
    } catch {
      return { spawns: [], code: false };
    }
  }
}
