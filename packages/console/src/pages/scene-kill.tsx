/** Killing the host: a run has paid once and is in the middle of a story; its host dies, the next one goes on at the next word. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { ask as alter, href, query } from '../data/address.ts';
import { useAttempt } from '../data/attempt.ts';
import { useLoad } from '../data/load.ts';
import { useSaid } from '../data/said.ts';
import { duration, moment } from '../format.ts';
import { Problem, State } from '../ui/parts.tsx';
import { Text } from '../ui/text.tsx';
import { Twice } from '../ui/twice.tsx';
import type { Act } from './scene-attack.tsx';

type View = RouteAnswer<'showScene'>;

interface KillProps {
  readonly scene: View;
  /** The host does not answer just now. */
  readonly away: boolean;
  readonly act: Act;
}

export function KillHost({ scene, away, act }: KillProps) {
  const { attempt, busy, error } = useAttempt();
  const run = query.value.get('story') ?? undefined;
  const tell = async () => {
    const { runs } = await act({ act: 'tell' });
    alter({ story: runs[0] });
  };
  const { pid, starts, killed_at, up_at } = scene.host;
  return (
    <section aria-labelledby="kill">
      <h2 id="kill">3. Kill the host</h2>
      <p>
        Have an agent pay for a story, once, and listen to it. Then kill the host in the middle: the process that started it sends it
        SIGKILL, and starts another.
      </p>
      <div class="row">
        <button type="button" disabled={!scene.ready || busy} onClick={() => void attempt(tell)}>
          Have a story told
        </button>
        <Twice name="Kill the host" tone="danger" verb="Send SIGKILL" act={() => act({ act: 'kill-host' })} disabled={away}>
          Process {pid} gets no warning, and no time to write anything down.
        </Twice>
      </div>
      {error !== undefined && <Problem of={error} />}
      <p role="status">
        {away ? (
          'The host is gone. This page waits for the next one.'
        ) : (
          <>
            Host number {starts}, process {pid}.
            {killed_at !== null &&
              ` The one before was killed at ${moment(killed_at)}; this one took requests ${duration(up_at - killed_at)} later.`}
          </>
        )}
      </p>
      {run !== undefined && <Story run={run} paid={scene.payments.filter((one) => one.run === run).length} key={run} />}
    </section>
  );
}

const words = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length;

function Story({ run, paid }: { readonly run: string; readonly paid: number }) {
  const text = useSaid(run)
    .map((one) => one.text)
    .join('');
  const { data } = useLoad((signal) => request('showRun', { params: { run: run as never } }, signal), {
    of: [run],
    when: (changed) => changed === undefined || changed.has(run),
  });
  const outcome = data?.outcome;
  const told = outcome?.kind === 'completed' ? (outcome.output as { readonly text: string; readonly lost: number }) : undefined;
  return (
    <div class="card pad">
      <p class="words" aria-live="off">
        <Text of={text} />
      </p>
      <p role="status">
        {data !== undefined && <State of={data} />} {words(text)} words{told === undefined ? ' so far' : ''}. Billed:{' '}
        <strong>{paid === 1 ? 'once' : `${paid} times`}</strong>.{' '}
        {told !== undefined && (
          <>
            {told.text === text
              ? `The run has the same ${words(told.text)} words, each of them once`
              : `The run has other words than this page: ${words(told.text)}`}
            {told.lost === 0
              ? '; no host died meanwhile.'
              : `, though ${told.lost === 1 ? 'a host' : `${told.lost} hosts`} died in the middle.`}
          </>
        )}{' '}
        <a href={href('run', run)}>The run</a>
      </p>
    </div>
  );
}
