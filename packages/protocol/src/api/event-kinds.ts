/** What a host tells those who follow it, by kind. */
import * as z from 'zod';

export const EVENT_KINDS = [
  'run.admitted',
  'run.began',
  'run.ended',
  'run.emitted',
  'run.logged',
  'run.refused',
  'run.paused',
  'run.resumed',
  'run.budget_low',
  'run.held',
  'run.asked',
  'run.decided',
  'run.damaged',
  'run.step',
  'agent.resting',
  'agent.recovered',
  'agent.profiled',
  'agent.deployed',
  'alias.moved',
  'config.applied',
  'quarantine.put',
  'quarantine.lifted',
  'grant.revoked',
  'policy.switched',
  'policy.differs',
  'policy.alarm',
  'run.context',
  'webhook.given_up',
  'tool.failed',
  'tools.failed',
  'tools.restarted',
] as const;
export const EventKind = z.enum(EVENT_KINDS);
export type EventKind = z.infer<typeof EventKind>;
