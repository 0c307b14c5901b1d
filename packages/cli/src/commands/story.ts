/** `corral story RUN`: what a run was asked, did and was refused, as a host tells it, or as its journal does in a folder on which no host runs. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import { hostOrFolder, print, type HostFlags } from '../connect.ts';
import { withReading } from '../folder.ts';
import { runId } from '../ids.ts';
import { paint } from '../screen/entries.ts';
import { printable } from '../screen/table.ts';
import { withheldText } from '../screen/withheld.ts';

type Story = RouteAnswer<'storyRun'>;

/** Words before each sentence, as wide as the widest. */
const TITLES: Readonly<Record<Story['lines'][number]['about'], string>> = {
  asked: 'Asked',
  pruned: 'Pruned',
  read: 'Read',
  strangers: 'Strangers',
  did: 'Did',
  others: 'Others',
  refused: 'Refused',
  people: 'People',
  stopped: 'Stopped',
  spent: 'Spent',
  ended: 'End',
};
const WIDEST = Math.max(...Object.values(TITLES).map(({ length }) => length));

export async function story(run: string, flags: HostFlags): Promise<void> {
  const id = runId(run);
  const place = await hostOrFolder(flags);
  const told = 'data' in place ? await inFolder(place.data, id) : await place.client.storyRun({ params: { run: id } });
  print(flags, told, () => textOf(told));
}

async function inFolder(data: string, run: Story['run']): Promise<Story> {
  const [{ storyOf }, { withArrived }, { arrivedFor }] = await Promise.all([
    import('@corral/server/evidence/story'),
    import('@corral/server/evidence/acted'),
    import('@corral/supervisor'),
  ]);
  return withReading(data, async (store) => {
    const stored = await store.run(run);
    if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run} in ${data}.`);
    const { record, status } = stored;
    const journal = (async function* () {
      yield await store.journal(run, stored.pruned?.entries);
    })();
    const pages = withArrived(journal, async () => (status.outcome === undefined ? arrivedFor(store, run) : []));
    const waiting_for = status.waiting === 'nothing' ? '' : status.waiting;
    const pruned = stored.pruned && { ...stored.pruned, by: null, retention_ms: null };
    return { run, lines: await storyOf({ record, status, input: record.input, waiting_for, pruned }, pages) };
  });
}

function textOf({ run, lines, withheld, pruned }: Story): string {
  return [
    ...lines.map(({ about, text, entries }) => {
      const from =
        entries.length === 0
          ? ''
          : paint(
              'dim',
              `  [entr${entries.length === 1 ? 'y' : 'ies'} ${entries.slice(0, 5).join(', ')}${entries.length > 5 ? ' …' : ''}]`,
            );
      return `${paint('bold', TITLES[about].padEnd(WIDEST))}  ${printable(text)}${from}`;
    }),
    ...(withheld === undefined ? [] : [paint('yellow', withheldText(withheld))]),
    ...(pruned?.next ?? [`\`corral journal ${run}\` shows the entries; \`corral why ${run}\` says what can be done.`]).map(
      (one) => `${paint('cyan', '→')} ${one}`,
    ),
  ].join('\n');
}
