/** `corral fork RUN --at CRANK`: a new run with the beginning of another one, that goes on differently from there. */
import { CorralError } from '@corral/protocol/errors';
import type { PrincipalId, RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { ONLY_NODE } from '@corral/protocol/ports/store';
import { fork, intakeOf, realClock, realRandom } from '@corral/supervisor';
import { hostOrFolder, print, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { recordHere } from '../record.ts';
import { go, mustBeOffered, offeredBy, runId, withStore, type GoOptions } from '../folder.ts';
import { wholeNumber } from '../whole-number.ts';
import { paint } from '../screen/entries.ts';
import { wentCode, wentText, type SettleOptions } from './resolve.ts';
import { parseInput } from './run.ts';

export interface ForkOptions extends Omit<GoOptions, 'data'>, HostFlags {
  readonly at: string;
  readonly input?: string;
  /** Reason; a host records it with the operation. */
  readonly reason?: string;
  /** False: the fork is only stored. */
  readonly go: boolean;
}

export async function forkRun(run: string, options: ForkOptions): Promise<number> {
  const origin = runId(run);
  const at = wholeNumber(options.at, '--at');
  const input = options.input === undefined ? undefined : await parseInput(options.input);
  const place = await hostOrFolder(options);
  if ('data' in place) return forkHere(origin, at, input, { ...options, data: place.data });
  for (const name of ['config', 'read', 'write'] as const)
    if (options[name] !== undefined)
      throw new CorralError('CORRAL_USAGE', `A host is running, and its own tools are offered: leave --${name} out.`);
  if (!options.go) throw new CorralError('CORRAL_USAGE', 'A host is running, and the fork goes on there: leave --no-go out.');
  const made = await place.client.forkRun({
    params: { run: origin },
    body: {
      at,
      ...(input === undefined ? {} : { input: input as Json }),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    },
  });
  const unknown = made.unknown.map(({ call, tool }) => ({ id: call, tool }));
  print(options, { ...made, unknown }, () => forkedLines(made.run, origin, at, unknown, '').join('\n'));
  return EXIT.ok;
}

async function forkHere(origin: RunId, at: number, input: unknown, options: ForkOptions & { readonly data: string }): Promise<number> {
  const offered = await offeredBy(options);
  const { id, tenant, unknown } = await withStore(options.data, async (store) => {
    const stored = await store.run(origin);
    if (stored !== undefined && options.go) await mustBeOffered(store, stored.record, offered(stored.record.tenant));
    const made = await fork(
      {
        store,
        node: await store.join(ONLY_NODE, realClock.now()),
        clock: realClock,
        random: realRandom,
        intake: await intakeOf(store, realClock, (of) => offered(of).spend),
        offers: {
          tool: (of, name) => offered(of).tools.find((tool) => tool.name === name),
          most: (of) => offered(of).most,
        },
        whole: false,
      },
      { run: origin, at, by: 'local' as PrincipalId, ...(input === undefined ? {} : { input }) },
    );
    const { id: run, tenant: of } = made.record;
    await recordHere(options.data, { operation: 'fork', target: { run: origin, at, fork: run }, tenant: of, matched: [run] });
    return { id: run, tenant: of, unknown: made.unknown.map(({ call, tool }) => ({ id: call, tool })) };
  });
  const went = options.go ? await go(id, tenant, options, offered) : undefined;
  print(options, { run: id, origin: { run: origin, at }, unknown, ...went }, () =>
    [
      ...forkedLines(id, origin, at, unknown, ` --data ${options.data}`),
      ...(went === undefined ? [] : [wentText(id, went, options satisfies SettleOptions)]),
    ].join('\n'),
  );
  return went === undefined ? EXIT.ok : wentCode(went);
}

function forkedLines(
  id: string,
  origin: string,
  at: number,
  unknown: readonly { readonly id: number; readonly tool: string }[],
  where: string,
): string[] {
  return [
    `${paint('bold', id)}  forked from ${origin} at crank ${at}`,
    ...unknown.map((call) => {
      const how = `corral resolve ${id} ${call.id} --retry|--result JSON|--fail${where}`;
      return `  call ${call.id} (${call.tool}) was under way at that crank, and is not repeated automatically: ${paint('yellow', how)}`;
    }),
  ];
}
