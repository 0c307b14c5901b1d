/** Addresses of the console's views about events. They hold ids alone, so they may be sent to where the event may be sent. */
import type { Event } from '@corral/protocol/api/schemas';

const CONSOLE = '/console/';

/** Views about kinds of events that concern no run. */
const VIEWS: Readonly<Partial<Record<Event['kind'], string>>> = {
  'agent.resting': 'agents',
  'agent.recovered': 'agents',
  'agent.deployed': 'agents',
  'agent.profiled': 'agents',
  'alias.moved': 'agents',
  'quarantine.put': 'operations',
  'quarantine.lifted': 'operations',
  'config.applied': 'operations',
};

/**
 * The view that shows what an event is about, and where a person acts on it.
 * @param base origin at which people open this host @param isQuestion whether people answer the call of a `run.asked`, and do not approve it
 */
export function linkTo(base: string, { kind, run, data }: Event, isQuestion: boolean): string {
  return new URL(CONSOLE + viewOf(kind, run, data, isQuestion), base).href;
}

function viewOf(kind: Event['kind'], run: string | null, data: Event['data'], isQuestion: boolean): string {
  const about = (data ?? {}) as { readonly call?: number; readonly run?: string };
  const [of, { call }] = [run ?? about.run, about];
  if (of === undefined) return VIEWS[kind] ?? 'health';
  if (kind === 'run.asked' && call !== undefined) return `approvals${isQuestion ? '/questions' : ''}?run=${of}&at=${of}-${call}`;
  if (kind === 'run.decided' && call !== undefined) return `run/${of}/calls?call=${call}`;
  return `run/${of}`;
}
