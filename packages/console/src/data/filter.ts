/** The filter of runs as a person writes it, and as the API takes it. */

/** Words with a colon name a field; all others are searched in ids, agents, principals and outcomes. */
const FIELDS: Readonly<Record<string, string>> = {
  agent: 'agent',
  tenant: 'tenant',
  by: 'principal',
  version: 'version',
  parent: 'parent',
  ended: 'ended_as',
};
export const FIELD_NAMES = Object.keys(FIELDS);

/** A field that is named several times has several values, of which a run needs one. */
export function queryOf(text: string): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  const words: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const [name = '', ...rest] = word.split(':');
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
    const value = rest.join(':');
    if (field === undefined || value === '') words.push(word);
    else query[field] = query[field] === undefined ? value : [query[field], value].flat();
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
  return ended_as === undefined ? conditions : undefined;
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
  quarantined: { name: 'Quarantined', query: { control: 'quarantined', live: 'true' } },
  completed: { name: 'Completed', query: { ended_as: 'completed' } },
  failed: { name: 'Failed', query: { ended_as: 'failed' } },
  exceeded: { name: 'Exceeded a limit', query: { ended_as: 'exceeded' } },
  looped: { name: 'Looped', query: { ended_as: 'looped' } },
  killed: { name: 'Killed', query: { ended_as: 'killed' } },
  denied: { name: 'Denied', query: { ended_as: 'denied' } },
} as const satisfies Record<string, { readonly name: string; readonly query: Readonly<Record<string, string>> }>;

export const isState = (name: string | null): name is keyof typeof STATES => name !== null && Object.hasOwn(STATES, name);
