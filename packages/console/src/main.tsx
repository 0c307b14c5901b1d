/** The page: who is not signed in signs in; the address says which view the others see. Views are loaded when they are first opened. */
import { render, type ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { me, Refusal, watchSession } from './data/api.ts';
import { keepLink } from './data/approval-link.ts';
import { enter, isLink } from './data/link.ts';
import { go, href, place } from './data/address.ts';
import { SignIn } from './pages/sign-in.tsx';
import { Runs } from './pages/runs.tsx';
import { applyTheme, Shell } from './shell.tsx';
import { Empty, Loading, Problem } from './ui/parts.tsx';

const LATER: Readonly<Record<string, () => Promise<ComponentType>>> = {
  run: async () => (await import('./pages/run.tsx')).RunView,
  overview: async () => (await import('./pages/overview.tsx')).Overview,
  approvals: async () => (await import('./pages/approvals.tsx')).Approvals,
  agents: async () => (await import('./pages/agents.tsx')).Agents,
  tools: async () => (await import('./pages/tools.tsx')).Tools,
  operations: async () => (await import('./pages/operations.tsx')).Operations,
  spend: async () => (await import('./pages/spend.tsx')).Spend,
  health: async () => (await import('./pages/health.tsx')).Health,
  people: async () => (await import('./pages/people.tsx')).People,
  scene: async () => (await import('./pages/scene.tsx')).Scene,
};
const loaded = new Map<string, ComponentType>([['runs', Runs]]);

function View({ name }: { readonly name: string }) {
  const [, setCount] = useState(0);
  const [error, setError] = useState<string>();
  const Shown = loaded.get(name);
  const load = LATER[name];
  useEffect(() => {
    setError(undefined);
    if (Shown !== undefined || load === undefined) return;
    const show = async () => {
      loaded.set(name, await load());
      setCount((count) => count + 1);
    };
    show().catch(() => setError(name));
  }, [name]);
  if (Shown !== undefined) return <Shown />;
  if (load === undefined)
    return (
      <Empty>
        There is no such view. <a href={href('runs')}>Runs</a>
      </Empty>
    );
  if (error === name)
    return (
      <Problem
        of={
          new Refusal(
            0,
            'CORRAL_UNREACHABLE',
            'This part of the console could not be loaded.',
            'The host may have been updated or stopped.',
          )
        }
        again={() => location.reload()}
      />
    );
  return <Loading />;
}

/** A host that has just started takes up its runs first. */
const AGAIN_MS = 1_000;

function App() {
  const [error, setError] = useState<Refusal>();
  useEffect(() => {
    const look = (): void =>
      void enter().then(
        () => setError(undefined),
        (failure: unknown) => {
          setError(failure as Refusal);
          setTimeout(look, AGAIN_MS);
        },
      );
    look();
    watchSession();
  }, []);
  if (me.value === null) return <SignIn />;
  if (me.value === undefined) return <main class="sign-in">{error === undefined ? <Loading /> : <Problem of={error} />}</main>;
  return (
    // Views of another person are read again.
    <Shell key={`${me.value.tenant} ${me.value.principal}`}>
      <View name={place.value[0] ?? 'overview'} />
    </Shell>
  );
}

applyTheme();
keepLink();
// Such a link may be opened in a tab that has the console already.
addEventListener('hashchange', () => (isLink(location.hash) ? location.reload() : undefined));
if (place.value.length === 0) go('overview', 'replace');
render(<App />, document.getElementById('app') as HTMLElement);
