/** `corral fork RUN --at CRANK`: a new run that begins with what another one did, and goes its own way from there. */
import type { PrincipalId } from '@corral/protocol/ids';
import { fork, read, realClock, realRandom } from '@corral/supervisor';
import { EXIT } from '../failure.ts';
import { go, mustBeOffered, offeredBy, runId, wholeNumber, withStore, type GoOptions } from '../folder.ts';
import { paint } from '../screen/entries.ts';
import { wentCode, wentText, type SettleOptions } from './resolve.ts';
import { parseInput } from './run.ts';

export interface ForkOptions extends GoOptions {
  readonly at: string;
  readonly input?: string;
  /** False: it is only written down. */
  readonly go: boolean;
  readonly json?: boolean;
}

export async function forkRun(run: string, options: ForkOptions): Promise<number> {
  const origin = runId(run);
  const at = wholeNumber(options.at, '--at');
  const input = options.input === undefined ? undefined : await parseInput(options.input);
  const offered = await offeredBy(options);
  const { id, tenant, unknown } = await withStore(options.data, async (store) => {
    const { stored } = await read(store, origin);
    if (options.go) await mustBeOffered(store, stored.record, offered(stored.record.tenant));
    const made = await fork(
      { store, clock: realClock, random: realRandom, tool: (of, name) => offered(of).tools.find((tool) => tool.name === name) },
      { run: origin, at, by: 'local' as PrincipalId, ...(input === undefined ? {} : { input }) },
    );
    const { ledger } = await read(store, made);
    const calls = [...ledger.pending.values()].flatMap((one) =>
      one.kind === 'call' && one.state === 'unknown' ? [{ id: one.id, tool: one.tool }] : [],
    );
    return { id: made, tenant: stored.record.tenant, unknown: calls };
  });
  const went = options.go ? await go(id, tenant, options, offered(tenant)) : undefined;
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ run: id, origin: { run: origin, at }, unknown, ...went }, null, 2)}\n`);
  } else {
    process.stdout.write(`${paint('bold', id)}  forked from ${origin} at crank ${at}\n`);
    for (const call of unknown) {
      const how = `corral resolve ${id} ${call.id} --retry|--result JSON|--fail --data ${options.data}`;
      process.stdout.write(
        `  call ${call.id} (${call.tool}) was under way there, and is not made again by itself: ${paint('yellow', how)}\n`,
      );
    }
    if (went !== undefined) process.stdout.write(`${wentText(id, went, options satisfies SettleOptions)}\n`);
  }
  return went === undefined ? EXIT.ok : wentCode(went);
}
