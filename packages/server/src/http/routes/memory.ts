/** Memories of agents: entries are listed and read under the rules of their labels, and removed. */
import { cursorOf, rowOf } from '@corral/protocol/api/cursor';
import type { Operation } from '@corral/protocol/api/roles';
import type { RouteReply } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import type { ListedEntry, MemoryKind, SpaceRow } from '@corral/protocol/ports/memory';
import { leftOf } from '../../evidence/memory-left.ts';
import type { Access } from '../../people/access.ts';
import type { Reader } from '../../people/reader.ts';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

type Names = 'listMemories' | 'listMemoryEntries' | 'readMemory' | 'removeMemory';
type EntryView = RouteReply<'listMemoryEntries'>['items'][number];

export function memoryRoutes({ memory }: ServerContext): Handlers<Names> {
  /** @throws CORRAL_MEMORY_UNKNOWN, the same whether there is none or it is another tenant's */
  const mustSee = async (id: number, access: Access, operation: Operation): Promise<SpaceRow> => {
    const row = await memory.space(id);
    if (row === undefined || !access.may(operation, row.tenant))
      throw new CorralError('CORRAL_MEMORY_UNKNOWN', `There is no memory ${id} here.`);
    return row;
  };

  return {
    async listMemories({ query }, { access }) {
      const tenant = access.some('memory.read', query.tenant);
      const rows = await memory.spaces({ tenant, memory: query.memory, after: rowOf(query.cursor) ?? 0, limit: query.limit + 1 });
      const items = rows.slice(0, query.limit);
      const next = rows.length > items.length ? cursorOf(items.at(-1)?.id ?? 0) : null;
      return { items: items.map((row) => ({ ...row, tenant: row.tenant as never })), next };
    },

    async listMemoryEntries({ params, query }, { access, reader }) {
      const space = await mustSee(params.memory, access, 'memory.read');
      const { limit, prefix } = query;
      const { entries, more } = await memory.entries(space.id, { prefix, before: rowOf(query.cursor), limit });
      const items = entries.map((entry) => viewOf(entry, space, reader));
      return {
        // The beginning of a name that is withheld is not found out by asking for it.
        items: prefix === undefined || prefix === '' ? items : items.filter(({ withheld }) => withheld === undefined),
        next: more ? cursorOf(entries.at(-1)?.version ?? 0) : null,
      };
    },

    async readMemory({ params, body }, { access, reader, keep }) {
      const space = await mustSee(params.memory, access, 'memory.read');
      const found = await memory.read(space.id, body.name);
      if (found === undefined) throw new CorralError('CORRAL_MEMORY_UNKNOWN', `The memory ${space.id} has no entry of that name.`);
      const { value, ...entry } = found;
      const view = viewOf(entry, space, reader);
      const { tenant, memory: of, owner } = space;
      const read = view.withheld === undefined;
      // Recorded before it is given: a reading that cannot be written down is not made.
      keep({ target: { memory: of, owner, name: body.name, version: entry.version, read }, reason: body.reason, tenant });
      return { ...view, ...(read ? shown(value, space.kind) : { encoding: 'utf8', value: null }) };
    },

    async removeMemory({ body: { reason, dryRun, all: _all, ...what } }, { access, reader, keep }) {
      // Entries of a tenant that the configuration does not name any more can be removed as well.
      const named = what.tenant !== undefined && access.may('memory.remove', what.tenant);
      const tenant = named ? (what.tenant as string) : access.one('memory.remove', what.tenant);
      const wanted = { ...what, tenant };
      // Whether there is a withheld name, or a beginning of one, is found out neither by counting nor by removing.
      const names = what.name === undefined && what.prefix === undefined ? undefined : reader.names(tenant);
      const dropped = await memory.drop(wanted, dryRun, names);
      const removed = { entries: dropped.entries, bytes: dropped.bytes };
      const left = leftOf(dropped, what.run);
      const { tenant: __, ...target } = wanted;
      if (dryRun) keep.skip();
      else keep({ target: { ...target, ...removed }, reason, tenant, refused: left?.refused ?? [] });
      if (left !== undefined) throw left.error;
      return { ...removed, dryRun };
    },
  };
}

/** Names say something of what is kept under them, so the label covers the name too. */
function viewOf({ name, version, bytes, at, expires_at, kept }: ListedEntry, { tenant, id }: SpaceRow, reader: Reader): EntryView {
  const { label, by } = kept;
  // Where labels are not tracked, journals are read by everybody with that role as well.
  const withheld = reader.withheld(by[0]?.run ?? `memory ${id}`, tenant, label?.private_to ?? []);
  return {
    name: withheld === undefined ? name : null,
    version,
    bytes,
    at,
    expires_at: expires_at ?? null,
    influenced_by: label === undefined ? null : [...label.influenced_by],
    private_to: label === undefined ? null : [...label.private_to],
    written_by: by.map((one) => ({ ...one, run: one.run as never })),
    ...(withheld === undefined ? {} : { withheld }),
  };
}

function shown(value: Uint8Array, kind: MemoryKind): Pick<RouteReply<'readMemory'>, 'encoding' | 'value'> {
  const bytes = Buffer.from(value);
  const text = bytes.toString('utf8');
  if (kind === 'kv') return { encoding: 'json', value: JSON.parse(text) as Json };
  return bytes.equals(Buffer.from(text)) ? { encoding: 'utf8', value: text } : { encoding: 'base64', value: bytes.toString('base64') };
}
