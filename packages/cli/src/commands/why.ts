/** `corral why RUN`: why a run is in its state, as a host says it, or as its journal does in a folder on which no host runs. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { linesWhereNamed } from '../authors.ts';
import { hostOrFolder, print, type HostFlags } from '../connect.ts';
import { evidenceOf } from '../evidence.ts';
import { withReading } from '../folder.ts';
import { runId } from '../ids.ts';
import { paint } from '../screen/entries.ts';
import { printable } from '../screen/table.ts';
import { decisionLines } from './approvals.ts';

type Why = RouteAnswer<'whyRun'>;

export async function why(run: string, flags: HostFlags): Promise<void> {
  const id = runId(run);
  const place = await hostOrFolder(flags);
  if ('data' in place) {
    const { why: said, authors } = await inFolder(place.data, id);
    print(flags, said, () =>
      textOf(
        said,
        said.because.map((line) => authors(line)),
      ),
    );
    return;
  }
  const said = await place.client.whyRun({ params: { run: id } });
  const lines = linesWhereNamed(place.client, id);
  const because = await Promise.all(said.because.map((line) => lines(line)));
  print(flags, said, () => textOf(said, because));
}

const DECIDING = ['People decide at a host: start it with `corral up`; then `corral approvals` shows what is asked.'];

/** Only the memory of a host knows whether the run computes and what it has left, so neither is said. */
async function inFolder(data: string, id: RunId): Promise<{ readonly why: Why; readonly authors: (text: string) => string }> {
  const { stored, entries, authors } = await evidenceOf({ data }, id);
  const [{ explain }, { Decisions }, { arrivedFor, quotesOf }, { withArrived }] = await Promise.all([
    import('@corral/server/evidence/journal'),
    import('@corral/server/evidence/decisions'),
    import('@corral/supervisor'),
    import('@corral/server/evidence/acted'),
  ]);
  const decisions = new Decisions(stored.record.parent?.agent, quotesOf);
  const { status } = stored;
  // A queued run lacks a host here, and no place in one.
  const asked = status.lifecycle === 'queued' ? { ...status, lifecycle: 'active' as const } : status;
  const journal = (async function* () {
    yield await Promise.resolve(entries);
  })();
  const pages = withArrived(journal, async () => (status.outcome === undefined ? withReading(data, (store) => arrivedFor(store, id)) : []));
  const { because, next, ...told } = await explain(id, asked, undefined, decisions.through(pages), { details: true, deciding: DECIDING });
  const verdict = asked === status || told.verdict !== 'active' ? told.verdict : 'queued';
  const down =
    status.outcome === undefined ? ['No host runs on this folder; it goes on at the next `corral up`, if nothing stops it.'] : [];
  return { why: { run: id, verdict, because: [...down, ...because], next, decisions: decisions.latest }, authors };
}

function textOf({ verdict, decisions, next }: Why, because: readonly string[]): string {
  return [
    paint('bold', printable(verdict)),
    ...because.map((line) => `  ${printable(line)}`),
    ...decisionLines(decisions),
    ...next.map((line) => `${paint('cyan', '→')} ${printable(line)}`),
  ].join('\n');
}
