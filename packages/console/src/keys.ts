/**
 * Keys of the page. A view names its keys while it is shown; `?` lists those that work just now. A key is not taken from somebody who writes, and
 * none does harm by itself: it opens what asks.
 */
import { signal } from '@preact/signals';
import { useLayoutEffect } from 'preact/hooks';

export interface Key {
  /** `j`, `G`, `Enter`, `g r`: as `KeyboardEvent.key` names it, capitals with Shift. */
  readonly key: string;
  readonly does: string;
  readonly run: (event: KeyboardEvent) => void;
  /** Another key for the same, which help does not list. */
  readonly hidden?: true;
  /** It moves, so a key that is held goes on; any other acts once for each time that it is pressed. */
  readonly repeats?: true;
}

const layers = signal<readonly (readonly Key[])[]>([]);
export const helpOpen = signal(false);

/** Keys that work now: those of the innermost view first. */
export const keysNow = (): readonly Key[] => layers.value.toReversed().flat();

export function useKeys(keys: readonly Key[], on = true): void {
  // Before the view is painted, so that who sees it has its keys.
  useLayoutEffect(() => {
    if (!on) return undefined;
    layers.value = [...layers.peek(), keys];
    return () => {
      layers.value = layers.peek().filter((one) => one !== keys);
    };
  });
}

/** Kinds of `<input>` that take no text. */
const NO_TEXT = /^(?:checkbox|radio|button|submit|reset)$/;

function isWriting(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !NO_TEXT.test(target.type);
  return target.isContentEditable || /^(?:TEXTAREA|SELECT)$/.test(target.tagName);
}

/** A first key such as `g` waits this long for its second. */
const CHORD_MS = 1_500;
let first: { readonly key: string; readonly at: number } | undefined;

document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isWriting(event.target)) {
    if (event.key === 'Escape') (event.target as HTMLElement).blur();
    return;
  }
  // A dialog is a world of its own: the browser closes it with Escape and keeps Tab within it.
  if (document.querySelector('dialog[open]') !== null) return;
  // On a button, a link or a box to tick, these keys are the browser's.
  if (
    (event.key === 'Enter' || event.key === ' ') &&
    event.target instanceof Element &&
    event.target.closest('a,button,summary,input') !== null
  )
    return;
  const chord = first !== undefined && Date.now() - first.at < CHORD_MS ? `${first.key} ${event.key}` : event.key;
  const keys = keysNow();
  const found = keys.find(({ key }) => key === chord) ?? keys.find(({ key }) => key === event.key);
  if (event.repeat && found?.repeats !== true) {
    if (found !== undefined) event.preventDefault();
    return;
  }
  first = undefined;
  if (found !== undefined) {
    event.preventDefault();
    found.run(event);
  } else if (keys.some(({ key }) => key.startsWith(`${event.key} `))) first = { key: event.key, at: Date.now() };
});
