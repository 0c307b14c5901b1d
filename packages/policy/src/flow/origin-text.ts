/** Where an argument came from, in words for people who decide about a call. No more is said than the index of a run knows. */
import type { StoodIn } from '@corral/protocol/model/decision';
import type { Origin } from './trace.ts';

const TEXTS: Readonly<Record<Exclude<Origin, 'user'>, string>> = {
  trusted: 'a result, message or field that no stranger could influence',
  selected: 'a field of an untrusted result that the input selects, or a plain name in one',
  quoted: 'words of a source that the input names',
  model: 'in nothing that the run has read: worked out by the agent, a default of the tool, or too short to tell',
  untrusted: 'text that a stranger may have written',
};

/**
 * @param parent agent that spawned the run; undefined: people, a schedule or a program submitted it. A parent may have the input of its child
 * from anywhere, a tool included.
 * @param place where the value stood
 * @returns an origin of another host as it is
 */
export function originText(origin: string, parent: string | undefined, place?: StoodIn): string {
  const text = textOf(origin, parent);
  if (place === undefined) return text;
  const { call, of, by, field } = place;
  const others = by.filter((one) => one !== of).map((one) => (one === '*' ? 'others' : one));
  if (of === '') return `${text}: influenced by ${others.join(', ')}`;
  const given = `${field === '' ? '' : `${shown(field)} of `}what ${of} gave${call > 0 ? ` (${call})` : ''}`;
  return `${text}: ${given}${others.length === 0 ? '' : `, ${origin === 'trusted' ? 'from' : 'influenced by'} ${others.join(', ')}`}`;
}

/** A stranger may have named members so that they read like a sentence of the host. */
const shown = (field: string): string => (/^[\w$.[\]-]+$/.test(field) ? field : JSON.stringify(field));

function textOf(origin: string, parent: string | undefined): string {
  if (origin === 'user') return parent === undefined ? 'the input of the run' : `the input that ${parent} gave it`;
  return Object.hasOwn(TEXTS, origin) ? TEXTS[origin as keyof typeof TEXTS] : origin;
}
