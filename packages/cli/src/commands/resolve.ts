/** `corral resolve`, `corral release`: decisions of a person about a run, on a folder without a host. */
import { CorralError } from '@corral/protocol/errors';
import type { ActName } from '@corral/protocol/api/acts';
import type { Json } from '@corral/protocol/json';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { HostEvent } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import {
  accountsOf,
  amend,
  mustBeApprovedHere,
  read,
  realClock,
  reservedAgain,
  resolutionOf,
  stuckOf,
  type Read,
  type Resolution,
} from '@corral/supervisor';
import { printableJson } from '@corral/protocol/printable';
import { jsonArgument } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { go, mustBeOffered, offeredBy, runId, withReading, withStore, type GoOptions, type Went } from '../folder.ts';
import { wholeNumber } from '../whole-number.ts';
import { recordHere } from '../record.ts';
import { paint } from '../screen/entries.ts';
import { onlyOf } from './settle.ts';

export interface SettleOptions extends GoOptions {
  /** Lets the run go on in this process, to its end. */
  readonly go?: boolean;
  readonly json?: boolean;
}

export interface ResolveOptions extends SettleOptions {
  readonly reason: string;
  readonly retry?: boolean;
  readonly result?: string;
  readonly fail?: boolean;
}

/** The person at the machine, in the journal of a folder without a host. */
export const BY = 'local';

/** @param call left out: the only one of the run whose result is unknown */
export async function resolve(run: string, call: string | undefined, options: ResolveOptions): Promise<number> {
  const id = call === undefined ? await onlyHere(run, options) : wholeNumber(call, 'CALL');
  const resolution = await resolutionFrom(options);
  const offered = await offeredBy(options);
  const act = { operation: 'resolve' as const, target: { call: id, how: resolution.how }, reason: options.reason };
  return settle(run, options, `call ${id} resolved: ${resolution.how}`, act, async ({ ledger, entries }, store) => {
    if (resolution.how === 'retry') mustBeApprovedHere(ledger.record, id, entries);
    const pending = ledger.pending.get(id);
    const { tools } = offered(ledger.record.tenant);
    const tool = pending?.kind === 'call' ? tools.find(({ name }) => name === pending.tool) : undefined;
    const event = await resolutionOf(ledger, id, { by: BY, reason: options.reason }, resolution, tool);
    const accounts = await accountsOf(store, realClock, (of) => offered(of).spend);
    return [reservedAgain(ledger, event, accounts, realClock.now())];
  });
}

const onlyHere = (run: string, { data }: ResolveOptions): Promise<number> =>
  withReading(data, async (store) => onlyOf('resolve', runId(run), stuckOf((await read(store, runId(run))).ledger).calls));

export async function release(run: string, options: SettleOptions & { readonly reason: string }): Promise<number> {
  const { reason } = options;
  return settle(run, options, 'released', { operation: 'release', target: {}, reason }, ({ ledger, stored }) => {
    if (ledger.held === undefined) throw new CorralError('CORRAL_RUN_STATE', `${stored.record.id} is not held.`);
    return [{ kind: 'released', by: BY, reason }];
  });
}

/** Records a decision, reports it, and lets the run go on if that was requested. */
export async function settle(
  run: string,
  options: SettleOptions,
  done: string,
  act: { readonly operation: ActName; readonly target: Readonly<Record<string, Json>>; readonly reason?: string | undefined },
  decide: (run: Read, store: Store) => readonly HostEvent[] | Promise<readonly HostEvent[]>,
): Promise<number> {
  const id = runId(run);
  const offered = await offeredBy(options);
  const { tenant, waiting } = await withStore(options.data, async (store) => {
    if (options.go === true) {
      const { record } = (await read(store, id)).stored;
      await mustBeOffered(store, record, offered(record.tenant));
    }
    await amend(store, realClock, id, (now) => decide(now, store));
    const after = await read(store, id);
    const { tenant: of } = after.stored.record;
    await recordHere(options.data, { ...act, target: { run: id, ...act.target }, tenant: of, matched: [id] });
    return { tenant: after.stored.record.tenant, waiting: after.ledger.waitingOn() };
  });
  const went = options.go === true ? await go(id, tenant, options, offered) : undefined;
  if (options.json === true) process.stdout.write(`${printableJson({ run: id, done, waiting, ...went }, 2)}\n`);
  else {
    const next = went === undefined ? paint('dim', `  it goes on when a host next opens ${options.data}; --go runs it now`) : '';
    process.stdout.write(`${paint('bold', id)}  ${done}${next}\n`);
    if (went !== undefined) process.stdout.write(`${wentText(id, went, options)}\n`);
  }
  return went === undefined ? EXIT.ok : wentCode(went);
}

export function wentText(run: string, went: Went, { data }: SettleOptions): string {
  if ('waiting' in went) return `${run}  ${paint('yellow', `waits for ${went.waiting}`)}  see corral journal ${run} --data ${data}`;
  const { outcome } = went;
  const good = outcome.kind === 'completed';
  const more = good ? `  ${JSON.stringify(outcome.output)}` : 'message' in outcome ? `  ${outcome.message}` : '';
  return `${run}  ${paint(good ? 'green' : 'red', outcomeText(outcome))}${more}`;
}

export const wentCode = (went: Went): number => ('outcome' in went && went.outcome.kind === 'completed' ? EXIT.ok : EXIT.outcome);

async function resolutionFrom({ retry, result, fail }: ResolveOptions): Promise<Resolution> {
  if (Number(retry === true) + Number(result !== undefined) + Number(fail === true) !== 1)
    throw new CorralError('CORRAL_USAGE', 'Give one of --retry, --result JSON and --fail.');
  if (retry === true) return { how: 'retry' };
  if (fail === true) return { how: 'fail' };
  return { how: 'result', value: await jsonArgument('--result', result as string) };
}
