/** The address of the page holds all of its state, so that a link shows another person the same view. */
import { computed, signal } from '@preact/signals';

const ROOT = '/console/';

const here = signal(location.pathname + location.search);
addEventListener('popstate', () => (here.value = location.pathname + location.search));

/** Parts of the path below the console: `run`, `run_…`, `calls`. */
export const place = computed((): readonly string[] => {
  const path = here.value.split('?', 1)[0] ?? '';
  return (path.startsWith(ROOT) ? path.slice(ROOT.length) : '')
    .split('/')
    .filter((part) => part !== '')
    .map(decoded);
});
export const query = computed(() => new URLSearchParams(here.value.split('?')[1] ?? ''));

const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

/** @param to below the console: `runs?q=x` */
export function go(to: string, how: 'push' | 'replace' = 'push'): void {
  const address = ROOT + to;
  if (address === here.value) return;
  history[how === 'push' ? 'pushState' : 'replaceState'](null, '', address);
  here.value = address;
  if (how === 'push') scrollTo(0, 0);
}

/** Changes parts of the query; an empty value takes its part out. */
export function ask(changes: Readonly<Record<string, string | undefined>>, how: 'push' | 'replace' = 'replace'): void {
  const next = new URLSearchParams(query.value);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') next.delete(name);
    else next.set(name, value);
  }
  const path = place.value.map((part) => encodeURIComponent(part)).join('/');
  go(next.size === 0 ? path : `${path}?${next.toString()}`, how);
}

export const href = (...parts: (string | number)[]): string => ROOT + parts.map((part) => encodeURIComponent(part)).join('/');

/** A click on a link within the console changes the view, and loads no page. */
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (link === null || link.target !== '' || link.origin !== location.origin || !link.pathname.startsWith(ROOT)) return;
  event.preventDefault();
  go(link.pathname.slice(ROOT.length) + link.search);
});
