/** Where an argument came from, in words for people who decide about a call. No more is said than the index of a run knows. */
import type { Origin } from './trace.ts';

const TEXTS: Readonly<Record<Exclude<Origin, 'user'>, string>> = {
  trusted: 'a result or message that no stranger could influence',
  selected: 'a field of an untrusted result that the input selects, or a plain name in one',
  quoted: 'words of a source that the input names',
  model: 'in nothing that the run has read: worked out by the agent, a default of the tool, or too short to tell',
  untrusted: 'text that a stranger may have written',
};

/**
 * @param parent agent that spawned the run; undefined: people, a schedule or a program submitted it. A parent may have the input of its child
 * from anywhere, a tool included.
 * @returns an origin of another host as it is
 */
export function originText(origin: string, parent: string | undefined): string {
  if (origin === 'user') return parent === undefined ? 'the input of the run' : `the input that ${parent} gave it`;
  return Object.hasOwn(TEXTS, origin) ? TEXTS[origin as keyof typeof TEXTS] : origin;
}
