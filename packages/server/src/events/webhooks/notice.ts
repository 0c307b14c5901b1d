/** Events in words, for receivers that people read. All values are texts of others: the format of a receiver escapes them. */
import type { Event } from '@corral/protocol/api/schemas';
import type { EventKind } from '@corral/protocol/api/event-kinds';
import type { Asked } from '@corral/supervisor';

export interface Notice {
  /** One sentence: what happened, and to what. */
  readonly title: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
}

/** Beginnings of titles; the agent, where there is one, goes ahead. */
const TITLES: Readonly<Partial<Record<EventKind, string>>> = {
  'run.paused': 'is paused',
  'run.budget_low': 'has little of its budget left',
  'run.decided': 'was given a decision',
  'run.step': 'does what a detector knows',
  'grant.revoked': 'has lost a capability',
  'agent.resting': 'takes no new runs for now: too many have failed',
  'agent.recovered': 'takes new runs again',
  'spend.warned': 'Spending is near its limit',
  'quarantine.put': 'A quarantine was put up',
  'quarantine.lifted': 'A quarantine was lifted',
  'policy.alarm': 'Policies could not be relied on',
  'webhook.given_up': 'Notifications were given up',
  'host.disk_full': 'The disk of the host is full: no new work is taken',
  'host.disk_free': 'The disk of the host has space again',
  'host.stalled': 'Nothing moves on the host',
  'host.moves': 'The host moves again',
};
/** Data whose name says enough; other names are written with spaces. */
const NOT_SHOWN: ReadonlySet<string> = new Set(['ended_as', 'call', 'parent']);

export function noticeOf(event: Event, asked: Asked | undefined, withTexts: boolean): Notice {
  const { kind, tenant, agent, run, data } = event;
  const who = agent ?? '';
  const about = facts({ tenant, run });
  if (kind === 'run.asked' && asked !== undefined) {
    const { tool = '' } = data as { readonly tool?: string };
    const title = asked.is_question ? `${who} asks a question` : `${who} asks for ${tool}`;
    return { title, facts: [...asking(asked, withTexts), ...about] };
  }
  if (kind === 'run.ended') {
    const { ended_as = '' } = data as { readonly ended_as?: string };
    return { title: `${who} has ended: ${ended_as}`, facts: about };
  }
  return { title: `${who} ${TITLES[kind] ?? kind}`.trim(), facts: [...facts(data), ...about] };
}

/** The facts that a person needs to decide. */
function asking({ by, question, amount, rules, unusual, approvers, quorum, expires_at }: Asked, withTexts: boolean): Notice['facts'] {
  return facts({
    ...(withTexts ? { question } : {}),
    amount,
    asked_for_by: by,
    unusual: words(unusual),
    rules: words(rules),
    decided_by: approvers.join(' and '),
    people_needed: quorum > 1 ? quorum : undefined,
    until: new Date(expires_at).toISOString(),
  });
}

const words = (names: readonly string[]) => names.join(', ').replaceAll('_', ' ');

/** Texts, numbers and truth values by name. */
function facts(of: unknown): [string, string][] {
  return Object.entries(of ?? {}).flatMap(([name, value]: [string, unknown]): [string, string][] => {
    if (NOT_SHOWN.has(name) || value === '' || !['string', 'number', 'boolean'].includes(typeof value)) return [];
    return [[`${name.slice(0, 1).toUpperCase()}${name.slice(1).replaceAll('_', ' ')}`, String(value)]];
  });
}
