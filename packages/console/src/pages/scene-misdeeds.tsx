/** Agents that misbehave, each let loose by the visitor beside a neighbour that makes calls. Each row is the receipt of one. */
import { useEffect, useState } from 'preact/hooks';
import type { RunTree } from '@corral/protocol/api/schemas';
import { ask as request } from '../data/api.ts';
import { href } from '../data/address.ts';
import { useAttempt } from '../data/attempt.ts';
import { useLoad } from '../data/load.ts';
import { cpu, duration } from '../format.ts';
import { Problem, State } from '../ui/parts.tsx';
import { Text } from '../ui/text.tsx';
import type { Act } from './scene-attack.tsx';

const MISDEEDS = [
  { misdeed: 'spin', name: 'Spin', about: 'computes for ever' },
  { misdeed: 'fill', name: 'Fill memory', about: 'makes arrays until there is no memory' },
  { misdeed: 'loop', name: 'Loop', about: 'has two children thank each other for ever' },
  { misdeed: 'fork', name: 'Fork', about: 'spawns children that spawn children' },
  { misdeed: 'flood', name: 'Flood', about: 'writes to its log for ever' },
] as const;
type Misdeed = (typeof MISDEEDS)[number];

type Loose = Misdeed & { readonly neighbour: string; readonly run: string };
const SHOWN = 10;
/** Calls that a neighbour makes before it ends. */
const CALLS = 80;
const LOOK_MS = 300;

export function Misdeeds({ ready, act }: { readonly ready: boolean; readonly act: Act }) {
  const [loose, setLoose] = useState<readonly Loose[]>([]);
  const { attempt, busy, error } = useAttempt();
  const letLoose = async (one: Misdeed) => {
    const { runs } = await act({ act: 'misdeed', misdeed: one.misdeed });
    const [neighbour = '', run = ''] = runs;
    setLoose((before) => [{ ...one, neighbour, run }, ...before].slice(0, SHOWN));
  };
  return (
    <section aria-labelledby="break">
      <h2 id="break">2. Now break it</h2>
      <p>
        Each button starts an agent that misbehaves, and beside it, in the same tenant, a neighbour that makes ten calls a second. The one
        is stopped; the other goes on.
      </p>
      <div class="row">
        {MISDEEDS.map((one) => (
          <button
            type="button"
            key={one.misdeed}
            title={one.about}
            disabled={!ready || busy}
            onClick={() => void attempt(() => letLoose(one))}
          >
            {one.name}
          </button>
        ))}
      </div>
      {error !== undefined && <Problem of={error} />}
      <ul class="cards">
        {loose.map((one) => (
          <Row of={one} key={one.run} />
        ))}
      </ul>
    </section>
  );
}

const read = async ({ run, neighbour }: Loose, signal: AbortSignal) => {
  const [own, beside, tree] = await Promise.all([
    request('showRun', { params: { run: run as never } }, signal),
    request('showRun', { params: { run: neighbour as never } }, signal),
    request('runTree', { params: { run: run as never } }, signal),
  ]);
  return { own, beside, ends: endsOf(tree.children) };
};

function Row({ of }: { readonly of: Loose }) {
  const { data, error, again } = useLoad((signal) => read(of, signal), { of: [of.run] });
  const over = data !== undefined && data.own.ended_as !== null && data.beside.ended_as !== null;
  useEffect(() => {
    if (over) return undefined;
    const every = setInterval(again, LOOK_MS);
    return () => clearInterval(every);
  }, [over]);
  if (data === undefined) return <li class="card pad">{error === undefined ? `${of.name}: starting…` : <Problem of={error} />}</li>;
  const { own, beside, ends } = data;
  return (
    <li class="card pad misdeed">
      <p>
        <strong>{of.name}</strong> <State of={own} />{' '}
        {own.ended_at !== null && (
          <span>
            {duration(own.ended_at - own.created_at)} after it was submitted, with {cpu(own.cpu_ms)} of CPU time.{' '}
          </span>
        )}
        {ends !== '' && (
          <span class="dim">
            Its children: <Text of={ends} />.{' '}
          </span>
        )}
        <a href={href('run', of.run)}>receipt</a>
      </p>
      <p>
        <progress max={CALLS} value={beside.calls} aria-label={`calls of the neighbour of ${of.name}`} /> its neighbour: {beside.calls} of{' '}
        {CALLS} calls answered <State of={beside} />
      </p>
    </li>
  );
}

/** `2 × looped(ping_pong)`. */
function endsOf(children: readonly RunTree[]): string {
  const counts = new Map<string, number>();
  const visit = (one: RunTree) => {
    const end = one.ended_as ?? 'under way';
    counts.set(end, (counts.get(end) ?? 0) + 1);
    one.children.forEach(visit);
  };
  children.forEach(visit);
  return [...counts].map(([end, n]) => `${n} × ${end}`).join(', ');
}
