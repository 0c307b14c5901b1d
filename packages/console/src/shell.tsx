/** What is around every view: where one is, whether the page is up to date, who is signed in, and the keys. */
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { asRefusal, ask as request, hasRole, hasScene, me, recognise, replaced, signOut, type Refusal } from './data/api.ts';
import { go, href, place } from './data/address.ts';
import { anyOf, useLoad } from './data/load.ts';
import { decidedHere, follow, liveness } from './data/live.ts';
import { isVisible } from './data/visible.ts';
import { count } from './format.ts';
import { helpOpen, keysNow, useKeys } from './keys.ts';
import { act, Acting } from './ui/acting.tsx';
import { Dialog } from './ui/dialog.tsx';
import { Problem } from './ui/parts.tsx';
import { Text } from './ui/text.tsx';

const VIEWS = [
  { at: 'overview', name: 'Overview', key: 'g o' },
  { at: 'runs', name: 'Runs', key: 'g r' },
  { at: 'approvals', name: 'Approvals', key: 'g a' },
  { at: 'agents', name: 'Agents', key: 'g n' },
  { at: 'tools', name: 'Tools', key: 'g l' },
  { at: 'operations', name: 'Operations', key: 'g p' },
  { at: 'spend', name: 'Spend', key: 'g m' },
  { at: 'health', name: 'Health', key: 'g h' },
  { at: 'people', name: 'Tokens', key: 'g t' },
] as const;

const SCENE = { at: 'scene', name: 'Scene', key: 'g s' } as const;
/** A view that shows nothing to the roles of who is signed in is not offered. */
const views = () => {
  const seen = VIEWS.filter(({ at }) => at !== 'people' || hasRole('auditor', 'admin'));
  return hasScene.value ? [SCENE, ...seen] : seen;
};

/** A visible page keeps its session; a page that nobody looks at lets it end. */
const STILL_HERE_MS = 10 * 60_000;
/** The number beside Approvals is at most this old. */
const COUNTED_EVERY_MS = 5_000;
/** The host counts no further. */
const COUNTED = 1_000;

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

export function Shell({ children }: { readonly children: ComponentChildren }) {
  useEffect(() => {
    const left = new AbortController();
    void follow(left.signal);
    const here = setInterval(() => {
      if (isVisible()) void recognise().catch(() => undefined);
    }, STILL_HERE_MS);
    return () => {
      left.abort();
      // It is not the next person's to confirm.
      act.value = undefined;
      clearInterval(here);
    };
  }, []);
  useKeys([
    ...views().map(({ at, name, key }) => ({ key, does: `go to ${name}`, run: () => go(at) })),
    { key: '?', does: 'these keys', run: () => (helpOpen.value = true) },
  ]);
  const at = place.value[0] === 'run' ? 'runs' : (place.value[0] ?? 'overview');
  const title = views().find((view) => view.at === at)?.name;
  useEffect(() => {
    document.title = title === undefined ? 'Corral' : `${title} · Corral`;
  }, [title]);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          // The address is that of the view, and stays.
          event.preventDefault();
          document.getElementById('main')?.focus();
        }}
      >
        Skip to the view
      </a>
      <header class="top">
        <a class="brand" href={href('overview')}>
          Corral
        </a>
        <nav aria-label="Views">
          {views().map((view) => (
            <a key={view.at} href={href(view.at)} aria-current={view.at === at ? 'page' : undefined}>
              {view.name}
              {view.at === 'approvals' && <Waiting />}
            </a>
          ))}
        </nav>
        <Account />
      </header>
      <main id="main" tabIndex={-1}>
        <Replaced />
        {children}
      </main>
      {helpOpen.value && <Help />}
      <Acting />
    </>
  );
}

/** Another tab has signed somebody else in, so this page acts as them from now on. */
function Replaced() {
  if (replaced.value === undefined) return null;
  return (
    <div class="problem" role="alert">
      <p>
        You act as <Text of={me.value?.principal ?? ''} /> now, who signed in on another page of this browser. Here it was{' '}
        <Text of={replaced.value} /> before.
      </p>
      <button type="button" onClick={() => (replaced.value = undefined)}>
        I have seen it
      </button>
    </div>
  );
}

/** How many calls wait for a person. */
function Waiting() {
  const { data } = useLoad(
    async (signal) => (hasRole('operator', 'approver', 'auditor', 'admin') ? request('countApprovals', {}, signal) : undefined),
    { at: [decidedHere.value], when: anyOf('run.asked', 'run.decided', 'run.ended', 'run.changed'), every_ms: COUNTED_EVERY_MS },
  );
  const waiting = data?.waiting ?? 0;
  // Its place stays, so that no other link moves when the number comes or goes.
  if (waiting === 0) return <span class="count none" aria-hidden="true" />;
  return (
    <span class="count" aria-label={`${waiting} waiting`}>
      {count(waiting)}
      {waiting >= COUNTED && '+'}
    </span>
  );
}

const SAID = { live: 'live', connecting: 'not up to date: connecting', off: 'not live' } as const;

/** A menu closes by Esc, by a touch beside it, and when the view changes. */
function useClosing(menu: { readonly current: HTMLDetailsElement | null }): void {
  useEffect(() => {
    const close = () => {
      if (menu.current !== null) menu.current.open = false;
    };
    const touched = ({ target }: Event) => {
      if (!(target instanceof Node) || menu.current?.contains(target) !== true) close();
    };
    const pressed = ({ key }: KeyboardEvent) => {
      if (key !== 'Escape' || menu.current?.open !== true) return;
      close();
      menu.current.querySelector('summary')?.focus();
    };
    document.addEventListener('pointerdown', touched);
    document.addEventListener('keydown', pressed);
    return () => {
      document.removeEventListener('pointerdown', touched);
      document.removeEventListener('keydown', pressed);
    };
  }, []);
  const view = place.value.join('/');
  useEffect(() => {
    if (menu.current !== null) menu.current.open = false;
  }, [view]);
}

function Account() {
  const menu = useRef<HTMLDetailsElement>(null);
  useClosing(menu);
  const [error, setError] = useState<Refusal>();
  const leave = async () => {
    setError(undefined);
    try {
      await signOut();
    } catch (failure) {
      // An answer that nobody is signed in any more is what was wanted.
      if (me.value !== null) setError(asRefusal(failure));
    }
  };
  return (
    <div class="account">
      <span class={`liveness ${liveness.value}`} role="status">
        {SAID[liveness.value]}
      </span>
      <details class="menu" ref={menu}>
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
          <button type="button" onClick={() => void leave()}>
            Sign out
          </button>
          {error !== undefined && (
            <>
              <p>You may still be signed in.</p>
              <Problem of={error} />
            </>
          )}
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
