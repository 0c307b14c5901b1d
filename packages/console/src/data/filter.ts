/** The filter of runs as a person writes it, and as the API takes it. */

/** Words with a colon name a field; all others are searched in ids, agents, principals and outcomes. */
const FIELDS: Readonly<Record<string, string>> = {
  agent: 'agent',
  tenant: 'tenant',
  by: 'principal',
  version: 'version',
  parent: 'parent',
  tool: 'holds',
  ended: 'ended_as',
};
export const FIELD_NAMES = [...Object.keys(FIELDS), 'state'];
/** First parts of names that are searched, such as that of the principal `token:ann`; others before a colon would be fields that there are not. */
const SEARCHED: ReadonlySet<string> = new Set([
  'token',
  'user',
  'service',
  'schedule',
  'oidc',
  'sha256',
  'http',
  'https',
  'machine',
  'host',
]);

/** A field that is named several times has several values, of which a run needs one. */
export function queryOf(text: string): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  const words: string[] = [];
  const add = (field: string, value: string) => (query[field] = query[field] === undefined ? value : [query[field], value].flat());
  for (const word of text.trim().split(/\s+/)) {
    const [name = '', ...rest] = word.split(':');
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
    const value = rest.join(':');
    if (name === 'state' && isState(value)) for (const [one, condition] of Object.entries(STATES[value].query)) add(one, condition);
    else if (field === undefined || value === '') words.push(word);
    else add(field, value);
  }
  const searched = words.join(' ');
  return searched === '' ? query : { ...query, q: searched };
}

/**
 * The conditions of a list as an operation takes them, which is about runs that have not ended.
 * @returns undefined if the list is of ended runs
 */
export function selectorOf(list: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
  const { live: _, ended_as, ...conditions } = list;
  if (ended_as !== undefined) return undefined;
  // Times are text in a query, and numbers in a body.
  return Object.fromEntries(Object.entries(conditions).map(([name, value]) => [name, name.endsWith('_from') ? Number(value) : value]));
}

/** Says which field of a filter is unknown. No run matches an unknown field, so "no run matches" would be false. */
export function faultOf(text: string): string | undefined {
  for (const word of text.trim().split(/\s+/)) {
    const [, name = '', value = ''] = /^([a-z_]+):(.+)$/.exec(word) ?? [];
    if (name === '' || Object.hasOwn(FIELDS, name) || SEARCHED.has(name)) continue;
    if (name !== 'state') return `${name}: is not a filter here; there are ${FIELD_NAMES.map((one) => `${one}:`).join(' ')}`;
    if (!isState(value)) return `state:${value} is not a state; there are ${Object.keys(STATES).join(', ')}`;
  }
  return undefined;
}

/** States to choose from, each with the conditions of the API that it stands for. */
export const STATES = {
  all: { name: 'All', query: {} },
  live: { name: 'Not ended', query: { live: 'true' } },
  asks: { name: 'Ask approval', query: { waiting: 'approval' } },
  unknown: { name: 'Result unknown', query: { waiting: 'resolution' } },
  upgrade: { name: 'Need an upgrade', query: { waiting: 'upgrade' } },
  queued: { name: 'Queued', query: { lifecycle: 'queued' } },
  paused: { name: 'Paused', query: { control: 'paused', live: 'true' } },
  loops: { name: 'Paused by the loop detector', query: { stopped_by: 'loops' } },
  quarantined: { name: 'Quarantined', query: { control: 'quarantined', live: 'true' } },
  completed: { name: 'Completed', query: { ended_as: 'completed' } },
  failed: { name: 'Failed', query: { ended_as: 'failed' } },
  exceeded: { name: 'Exceeded a limit', query: { ended_as: 'exceeded' } },
  looped: { name: 'Looped', query: { ended_as: 'looped' } },
  killed: { name: 'Killed', query: { ended_as: 'killed' } },
  denied: { name: 'Denied at admission', query: { ended_as: 'denied' } },
  refused: { name: 'Something was refused', query: { refused_from: '0' } },
  withheld: { name: 'Done, agent not told', query: { withheld_from: '0' } },
} as const satisfies Record<string, { readonly name: string; readonly query: Readonly<Record<string, string>> }>;

export const isState = (name: string | null): name is keyof typeof STATES => name !== null && Object.hasOwn(STATES, name);
