/** What is around every view: where one is, whether the page is up to date, who is signed in, and the keys. */
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { ask as request, hasRole, me, recognise } from './data/api.ts';
import { go, href, place } from './data/address.ts';
import { useLoad } from './data/load.ts';
import { follow, liveness } from './data/live.ts';
import { helpOpen, keysNow, useKeys } from './keys.ts';
import { Dialog } from './ui/dialog.tsx';
import { Text } from './ui/text.tsx';

const VIEWS = [
  { at: 'overview', name: 'Overview', key: 'g o' },
  { at: 'runs', name: 'Runs', key: 'g r' },
  { at: 'approvals', name: 'Approvals', key: 'g a' },
  { at: 'agents', name: 'Agents', key: 'g n' },
  { at: 'operations', name: 'Operations', key: 'g p' },
  { at: 'health', name: 'Health', key: 'g h' },
  { at: 'people', name: 'Tokens', key: 'g t' },
] as const;

/** A visible page keeps its session; a page that nobody looks at lets it end. */
const STILL_HERE_MS = 10 * 60_000;
/** Calls that are counted in the navigation at most. */
const COUNTED = 50;

const theme = signal(localStorage.getItem('theme') ?? '');
export const applyTheme = (): void => {
  document.documentElement.dataset['theme'] = theme.value;
};

const LOOKS: Readonly<Record<string, string>> = { '': 'as the system', light: 'light', dark: 'dark' };
function nextTheme(): void {
  const all = Object.keys(LOOKS);
  theme.value = all[(all.indexOf(theme.value) + 1) % all.length] ?? '';
  localStorage.setItem('theme', theme.value);
  applyTheme();
}

async function signOut(): Promise<void> {
  await request('signOut', {}).catch(() => undefined);
  me.value = null;
}

export function Shell({ children }: { readonly children: ComponentChildren }) {
  useEffect(() => {
    const left = new AbortController();
    void follow(left.signal);
    const here = setInterval(() => {
      if (document.visibilityState === 'visible') void recognise().catch(() => undefined);
    }, STILL_HERE_MS);
    return () => {
      left.abort();
      clearInterval(here);
    };
  }, []);
  useKeys([
    ...VIEWS.map(({ at, name, key }) => ({ key, does: `go to ${name}`, run: () => go(at) })),
    { key: '?', does: 'these keys', run: () => (helpOpen.value = true) },
  ]);
  const at = place.value[0] === 'run' ? 'runs' : (place.value[0] ?? 'overview');
  const title = VIEWS.find((view) => view.at === at)?.name;
  useEffect(() => {
    document.title = title === undefined ? 'Corral' : `${title} · Corral`;
  }, [title]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the view
      </a>
      <header class="top">
        <a class="brand" href={href('overview')}>
          Corral
        </a>
        <nav aria-label="Views">
          {VIEWS.map((view) => (
            <a key={view.at} href={href(view.at)} aria-current={view.at === at ? 'page' : undefined}>
              {view.name}
              {view.at === 'approvals' && <Waiting />}
            </a>
          ))}
        </nav>
        <Account />
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      {helpOpen.value && <Help />}
    </>
  );
}

/** How many calls wait for a person. */
function Waiting() {
  const { data } = useLoad(
    async (signal) =>
      hasRole('operator', 'approver', 'auditor', 'admin') ? request('listApprovals', { query: { limit: COUNTED } }, signal) : undefined,
    [me.value?.principal],
    (changed, kinds) => changed === undefined || kinds.has('run.asked') || kinds.has('run.decided') || kinds.has('run.ended'),
  );
  const waiting = data?.items.length ?? 0;
  if (waiting === 0) return null;
  return (
    <span class="count" aria-label={`${waiting} waiting`}>
      {data?.next === null ? waiting : `${COUNTED}+`}
    </span>
  );
}

const SAID = { live: 'live', connecting: 'not up to date: connecting', off: 'not live' } as const;

function Account() {
  return (
    <div class="account">
      <span class={`liveness ${liveness.value}`} role="status">
        {SAID[liveness.value]}
      </span>
      <details class="menu">
        <summary>
          <Text of={me.value?.principal ?? ''} />
        </summary>
        <div>
          <p>
            {me.value?.tenant === '*' ? 'the whole host' : <>tenant {me.value?.tenant}</>}
            <br />
            {me.value?.roles.join(', ')}
          </p>
          <button type="button" onClick={nextTheme}>
            Colours: {LOOKS[theme.value]}
          </button>
          <button type="button" onClick={() => (helpOpen.value = true)}>
            Keys (?)
          </button>
          <button type="button" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      </details>
    </div>
  );
}

function Help() {
  const seen = new Set<string>();
  const keys = keysNow().filter(({ key, hidden }) => hidden !== true && !seen.has(key) && seen.add(key));
  return (
    <Dialog title="Keys that work here" onClose={() => (helpOpen.value = false)}>
      <dl class="keys">
        {keys.map(({ key, does }) => (
          <div key={key}>
            <dt>
              {key.split(' ').map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p class="dim">Esc leaves a field or closes what asks. Tab reaches everything else.</p>
    </Dialog>
  );
}
