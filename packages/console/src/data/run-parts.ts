/** The parts of a run's view, and which of them the roles of who is signed in show: every link to a part asks here. */
import { hasRole } from './api.ts';
import { href } from './address.ts';
import { PERMITTED } from './permitted.ts';

/** `payload`: what is in it is for readers of payloads. */
export const RUN_PARTS = [
  { at: 'summary', name: 'Summary', key: '1', payload: false },
  { at: 'calls', name: 'Calls', key: '2', payload: true },
  { at: 'journal', name: 'Journal', key: '3', payload: true },
  { at: 'messages', name: 'Messages', key: '4', payload: true },
  { at: 'tree', name: 'Tree', key: '5', payload: false },
  { at: 'authority', name: 'Authority', key: '6', payload: true },
  { at: 'why', name: 'Why', key: '7', payload: false },
  { at: 'events', name: 'Events', key: '8', payload: true },
  { at: 'story', name: 'Story', key: '9', payload: false },
] as const;
export type RunPart = (typeof RUN_PARTS)[number]['at'];

/** Whether who is signed in may read payloads. */
export const readsPayloads = (): boolean => hasRole(...PERMITTED['run.payload']);

export const shownParts = () => RUN_PARTS.filter(({ payload }) => !payload || readsPayloads());

/** The address of a part of a run; for those who are not shown it, that of its summary. */
export const partHref = (run: string, part: RunPart): string =>
  href('run', run, shownParts().some(({ at }) => at === part) ? part : 'summary');

/** The address of a call of a run: the call itself, else what was decided about it, which everybody is shown. */
export const callHref = (run: string, call: number): string => `${href('run', run, readsPayloads() ? 'calls' : 'why')}?call=${call}`;

/** The address of an entry of a journal; undefined for those who are not shown it. */
export const entryHref = (run: string, entry: number): string | undefined =>
  readsPayloads() ? `${href('run', run, 'journal')}?entry=${entry}` : undefined;
