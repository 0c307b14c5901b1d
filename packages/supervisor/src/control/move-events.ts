/** The events by which a run is moved to another version of its agent, on a living host and in a folder without one. */
import type { Ledger } from '@corral/broker/ledger/ledger';
import { mustBeOfBundle } from '../admission/programs.ts';
import { CorralError } from '@corral/protocol/errors';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { HostEvent } from '@corral/protocol/model/run';

/** @throws CORRAL_RUN_STATE if the run is on that version, and nothing holds it there */
export function movedTo(ledger: Pick<Ledger, 'record' | 'version' | 'held'>, { version, bundle }: AgentVersion, by: string): HostEvent {
  mustBeOfBundle(ledger.record);
  if (ledger.version === version && ledger.held === undefined)
    throw new CorralError('CORRAL_RUN_STATE', `${ledger.record.id} is already on this version.`);
  return { kind: 'upgraded', version, bundle, by };
}

/** A run that was held because it replays differently goes on once it has been moved. */
export const freedBy = (by: string): HostEvent => ({ kind: 'released', by, reason: 'it was moved to a version on which it replays' });
