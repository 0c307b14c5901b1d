/** Taking back a grant: first how far that reaches, in the run and in all that is below it, then the reason. */
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { useLoad } from '../data/load.ts';
import { count, many } from '../format.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Fact, Shown } from '../ui/parts.tsx';
import { Reason } from '../ui/reason.tsx';
import { Fates } from '../ui/receipts.tsx';
import { Names, Text } from '../ui/text.tsx';
import type { RunId } from './run-props.ts';

export interface Taken {
  readonly grant: string;
  /** The tool or agent that it is for. */
  readonly name: string;
}

/** Runs whose grants and calls are looked through; a family may have thousands. */
const RUNS = 30;
/** Calls of each that are looked through. */
const CALLS = 500;

type Tree = RouteAnswer<'runTree'>;
const liveOf = (tree: Tree): string[] => [...(tree.ended_as === null ? [tree.run] : []), ...tree.children.flatMap(liveOf)];

interface Extent {
  readonly derived: number;
  /** Runs that hold it, or one that is derived from it. */
  readonly holders: number;
  /** Calls under way with these, by tool. */
  readonly calls: readonly string[];
  /** Whether there are more runs or calls than were looked through. */
  readonly more: boolean;
}

/** Looks through the run and its living descendants. */
async function extentOf(grant: string, run: RunId, signal: AbortSignal): Promise<Extent> {
  const family = [...new Set([run, ...liveOf(await request('runTree', { params: { run } }, signal))])] as RunId[];
  const grants = new Set<string>();
  const seen = await Promise.all(
    family.slice(0, RUNS).map(async (one) => {
      const { reaches } = await request('runAuthority', { params: { run: one } }, signal);
      // A chain begins with the run's own grant; each is derived from the one behind it.
      const own = reaches.flatMap(({ chain }) => {
        const at = chain.findIndex((link) => link.grant === grant);
        return at < 0 ? [] : chain.slice(0, at + 1).map((link) => link.grant);
      });
      for (const one of own) grants.add(one);
      if (own.length === 0) return undefined;
      const { items, next } = await request('runCalls', { params: { run: one }, query: { limit: CALLS } }, signal);
      return {
        open: items.filter(({ state, error }) => state === 'open' || (state === 'answered' && error === null)),
        more: next !== null,
      };
    }),
  );
  const holders = seen.filter((one) => one !== undefined);
  const open = holders.flatMap((one) => one.open).filter((call) => call.grant !== null && grants.has(call.grant));
  return {
    derived: Math.max(0, grants.size - 1),
    holders: holders.length,
    calls: open.map(({ tool, call, state }) => `${tool} (call ${call}${state === 'open' ? '' : ', done already'})`),
    more: family.length > RUNS || holders.some(({ more }) => more),
  };
}

interface TakeBackProps {
  readonly of: Taken;
  readonly run: RunId;
  readonly onClose: () => void;
}

export function TakeBack({ of: { grant, name }, run, onClose }: TakeBackProps) {
  const extent = useLoad((signal) => extentOf(grant, run, signal), { of: [grant, run] });
  const [done, setDone] = useState<RouteAnswer<'revokeGrant'>>();
  if (done !== undefined)
    return (
      <Dialog title="Taken back" onClose={onClose}>
        <p>
          <code>{done.grant}</code> for <Text of={name} /> does not work any more, nor does anything that was derived from it.{' '}
          {many(done.calls_aborted, 'call was', 'calls were')} aborted.
        </p>
        <Fates of={done.calls} />
        <button type="button" class="primary" autofocus onClick={onClose}>
          Close
        </button>
      </Dialog>
    );
  return (
    <Reason
      title="Take back this grant?"
      verb="Take it back"
      act={async (reason) => setDone(await request('revokeGrant', { params: { grant: grant as never }, body: { reason } }))}
      onClose={onClose}
      closes={false}
    >
      <p>
        <code>{grant}</code> for <Text of={name} />, and all that was derived from it, stops working at once. Calls under way with it are
        aborted unless their tool has answered, and their results withheld. It cannot be given back.
      </p>
      <Shown of={extent}>
        {({ derived, holders, calls, more }) => (
          <dl class="facts">
            <Fact name="Derived from it">{count(derived)}</Fact>
            <Fact name="Runs that lose it">{count(holders)}</Fact>
            <Fact name="Calls under way with it">
              <Names of={calls} />
            </Fact>
            {more && <Fact name="Looked through">a part of what is below it: there may be more</Fact>}
          </dl>
        )}
      </Shown>
    </Reason>
  );
}
