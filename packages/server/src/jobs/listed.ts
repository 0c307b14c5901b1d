/** A run as the index of runs lists it: with the version that it is on, which is not that of its record once it was upgraded. */
import type { RunRecord } from '@corral/protocol/model/run';
import type { StoredRun } from '@corral/protocol/ports/store';

export const listed = ({ record, version }: Pick<StoredRun, 'record' | 'version'>): RunRecord => ({ ...record, version });
