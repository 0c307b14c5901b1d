/** The author's lines of a run on a host: its source map, asked for where a text names a position in its bundle. */
import type { Client } from '@corral/protocol/api/client';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { printable } from './screen/table.ts';
import { linesBy, namesBundle } from './stack.ts';

/** Leads positions in the bundle of a run back to its author's lines. Without a source map, they are still worth showing. */
export async function linesOf(
  client: Client,
  { agent, tenant, version }: Pick<RouteAnswer<'showRun'>, 'agent' | 'tenant' | 'version'>,
): Promise<(text: string) => string> {
  try {
    const { history } = await client.showAgent({ params: { agent }, query: { tenant } });
    const bundle = history.find((one) => one.version === version)?.bundle;
    return bundle === undefined ? linesBy(null) : linesBy((await client.sourceMap({ params: { bundle }, query: { tenant } })).source_map);
  } catch {
    return linesBy(null);
  }
}

/** The same, asked for when the first text needs it. */
export function linesWhereNamed(client: Client, run: RunId): (text: string) => Promise<string> {
  let lines: Promise<(text: string) => string> | undefined;
  return async (text) => {
    if (!namesBundle(text)) return text;
    lines ??= client.showRun({ params: { run } }).then((shown) => linesOf(client, shown));
    return (await lines)(text);
  };
}

/** How a run ended, with the author's own lines where they are known. */
export async function endText(client: Client, run: RouteAnswer<'showRun'>): Promise<string> {
  const { outcome } = run;
  if (outcome === null) return '';
  if (outcome.kind === 'completed') return `output     ${JSON.stringify(outcome.output)}`;
  const said = 'message' in outcome ? outcome.message : 'reason' in outcome ? `${outcome.by}: ${outcome.reason}` : JSON.stringify(outcome);
  if (!('stack' in outcome) || outcome.stack === undefined) return printable(said);
  return (await linesOf(client, run))(outcome.stack)
    .split('\n')
    .map((line) => printable(line))
    .join('\n');
}
