/**
 * The scene of `corral demo`: the visitor attacks an agent, lets others misbehave beside one that works, and has the host killed. It is there only
 * where the host says that it runs the scene.
 */
import { useEffect } from 'preact/hooks';
import type { RouteAnswer, RouteInput } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { useLoad } from '../data/load.ts';
import { Copy, Loading, Problem } from '../ui/parts.tsx';
import { Text } from '../ui/text.tsx';
import { Attack } from './scene-attack.tsx';
import { KillHost } from './scene-kill.tsx';
import { Misdeeds } from './scene-misdeeds.tsx';

type View = RouteAnswer<'showScene'>;

/** What is outside of the host changes without an event of the host. */
const LOOK_MS = 400;

const act = (body: RouteInput<'actInScene'>['body']) => request('actInScene', { body });

export function Scene() {
  const { data, error, again } = useLoad((signal) => request('showScene', {}, signal));
  useEffect(() => {
    const every = setInterval(again, LOOK_MS);
    return () => clearInterval(every);
  }, []);
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  return (
    <section class="scene">
      <h1>You are the attacker</h1>
      <p class="lead">
        A shop has an agent that reads its mail and may pay from its account. Its model is <Text of={data.model.said} />.
      </p>
      <p role="status" class={error === undefined ? 'unseen' : 'problem'}>
        {error === undefined ? '' : 'The host does not answer. This page asks again until it does.'}
      </p>
      {!data.ready && <p class="dim">The agents of the scene are being deployed…</p>}
      <Attack scene={data} act={act} />
      <Misdeeds ready={data.ready} act={act} />
      <KillHost scene={data} away={error !== undefined} act={act} />
      <Next of={data} />
    </section>
  );
}

function Next({ of }: { readonly of: View }) {
  const { commands } = of;
  return (
    <section aria-labelledby="next">
      <h2 id="next">4. What to type next</h2>
      <ul class="lines">
        {commands.map(({ command, does }) => (
          <li key={command}>
            <code>{command}</code> <Copy text={command} what={command} />
            <br />
            <span class="dim">{does}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
