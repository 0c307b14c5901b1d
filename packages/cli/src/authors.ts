/**
 * Maps positions in a run's bundle to the author's lines, with the source map of the host. The map is requested only when a text
 * contains such a position.
 */
import type { Client } from '@corral/protocol/api/client';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { printable } from './screen/table.ts';
import { linesBy, namesBundle, stackBy } from './stack.ts';

/** Maps positions in the bundle of a run to its author's lines. Without a source map, positions stay as they are. */
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

/** The same; the map is requested when the first text needs it. */
export function linesWhereNamed(client: Client, run: RunId): (text: string) => Promise<string> {
  let lines: Promise<(text: string) => string> | undefined;
  return async (text) => {
    if (!namesBundle(text)) return text;
    lines ??= client.showRun({ params: { run } }).then((shown) => linesOf(client, shown));
    return (await lines)(text);
  };
}

/** The run as it is printed in JSON: the stack of its outcome has the author's lines if they are known. */
export async function withAuthorsLines<R extends RouteAnswer<'showRun'>>(client: Client, run: R): Promise<R> {
  const { outcome } = run;
  if (outcome === null || !('stack' in outcome) || outcome.stack === undefined) return run;
  return { ...run, outcome: { ...outcome, stack: stackBy(await linesOf(client, run), outcome.stack) } };
}

/** The end of a run, with the author's lines if they are known. */
export async function endText(client: Client, run: RouteAnswer<'showRun'>): Promise<string> {
  const { outcome } = run;
  if (outcome === null) return '';
  if (outcome.kind === 'completed') return `output     ${JSON.stringify(outcome.output)}`;
  const said = 'message' in outcome ? outcome.message : 'reason' in outcome ? `${outcome.by}: ${outcome.reason}` : JSON.stringify(outcome);
  if (!('stack' in outcome) || outcome.stack === undefined) return printable(said);
  return stackBy(await linesOf(client, run), outcome.stack)
    .split('\n')
    .map((line) => printable(line))
    .join('\n');
}
