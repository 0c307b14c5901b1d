/**
 * `corral upgrade-check` and `corral upgrade`: replays runs on another version of their agent, or on the current runtime, to find
 * whether they would do the same; and moves a run that would.
 */
import { CorralError } from '@corral/protocol/errors';
import type { Digest, RunId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { HostEvent, RunHeader } from '@corral/protocol/model/run';
import type { Store, StoredRun } from '@corral/protocol/ports/store';
import { checkBundle, freedBy, movedTo, read, versionsOf, type Laboratory, type Read, type TrialResult } from '@corral/supervisor';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Client } from '@corral/protocol/api/client';
import { bundleAgent, inAuthorsWords } from '../bundle.ts';
import { hostOrFolder, print, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { bundlesOf, withLaboratory, withReading } from '../folder.ts';
import { runId } from '../ids.ts';
import { wholeNumber } from '../whole-number.ts';
import { column, fit, paint, screenWidth } from '../screen/entries.ts';
import { count, differenceLine, short } from './replay.ts';
import { BY, settle, type SettleOptions } from './resolve.ts';
import { namedFile } from '../paths.ts';

export interface UpgradeCheckOptions {
  readonly data: string;
  readonly runtime?: boolean;
  readonly recent?: string;
  readonly json?: boolean;
}

/** Ended runs that are tried besides those that wait. */
const RECENT = 20;
const PAGE = 500;

interface Checked {
  readonly run: RunId;
  readonly status: string;
  readonly header: RunHeader;
  readonly result: TrialResult;
}

/** A run that cannot be checked. */
interface Unreadable {
  readonly run: RunId;
  readonly code: string;
  readonly message: string;
}

const UNREADABLE: ReadonlySet<string> = new Set(['CORRAL_JOURNAL_DAMAGED', 'CORRAL_RUN_ERASED', 'CORRAL_JOURNAL_PRUNED']);

/** Reads a run; an unreadable run becomes an error in the list, so that the others are still reported. */
async function readable(store: Store, run: RunId): Promise<Read | CorralError> {
  try {
    return await read(store, run);
  } catch (error) {
    if (error instanceof CorralError && UNREADABLE.has(error.code)) return error;
    throw error;
  }
}

export async function upgradeCheck(agent: string, file: string | undefined, options: UpgradeCheckOptions): Promise<number> {
  if ((file === undefined) === (options.runtime !== true))
    throw new CorralError('CORRAL_USAGE', 'Give the FILE of the new version, or --runtime to try the current runtime.');
  const recent = options.recent === undefined ? RECENT : wholeNumber(options.recent, '--recent');
  return withReading(options.data, (store) =>
    withLaboratory(async (laboratory, image) => {
      const bundle = file === undefined ? undefined : await bundled(laboratory, file);
      if (bundle !== undefined) agentIn(bundle, agent);
      const runs = await runsOf(store, agent, recent);
      if (runs.length === 0) throw new CorralError('CORRAL_AGENT_UNKNOWN', `There is no run of ${agent} in ${options.data}.`);
      const { node } = await laboratory.runtime();
      const checked: Checked[] = [];
      const unreadable: Unreadable[] = [];
      const live = options.json !== true;
      const width = screenWidth();
      if (live)
        process.stdout.write(
          `${paint('bold', agent)} on ${bundle === undefined ? `Node ${node}, image ${short(image)}` : `${file}, Node ${node}`}\n`,
        );
      for (const stored of runs) {
        const now = await readable(store, stored.record.id);
        if (now instanceof CorralError) {
          unreadable.push({ run: stored.record.id, code: now.code, message: now.message });
          if (live) process.stdout.write(`${paint('red', '✗')} ${stored.record.id}  ${now.message}\n`);
          continue;
        }
        const result = await tried(laboratory, store, now, bundle);
        const { header } = now.ledger;
        const status =
          stored.status.outcome?.kind ??
          (now.ledger.held === undefined ? `waits for ${now.ledger.waitingOn()}` : `held for ${now.ledger.held}`);
        checked.push({ run: stored.record.id, status, header, result });
        if (!live) continue;
        const { difference } = result;
        const nothing = isNothing(result);
        const mark = nothing ? paint('dim', '–') : difference === undefined ? paint('green', '✓') : paint('red', '✗');
        const was =
          bundle === undefined && (header.node !== node || header.image !== image)
            ? `  recorded on Node ${header.node}, image ${short(header.image)}`
            : '';
        const kept = stored.record.service === undefined ? '' : '; its kept state is not checked';
        const same = nothing ? 'nothing to compare' : `${count(result.cranks)} the same`;
        const said = difference === undefined ? `${same}${kept}${was}` : `${differenceLine(difference)}${was}`;
        process.stdout.write(`${mark} ${stored.record.id}  ${column(status, 20)}  ${fit(said, Math.max(20, width - 44))}\n`);
      }
      const differ = checked.filter(({ result }) => result.difference !== undefined);
      if (!live) {
        const list = checked.map(({ run, status, header, result }) => ({
          run,
          status,
          recorded: header,
          cranks: result.cranks,
          same: isNothing(result) ? null : result.difference === undefined,
          difference: result.difference,
        }));
        process.stdout.write(
          `${JSON.stringify({ agent, node, image, bundle: bundle?.digest, differ: differ.length, runs: list, unreadable }, null, 2)}\n`,
        );
      } else {
        process.stdout.write(`${verdictOf(checked.length, checked.filter(({ result }) => isNothing(result)).length, differ.length)}\n`);
      }
      if (unreadable.length > 0 && live) process.stdout.write(`${paint('red', `${unreadable.length} could not be read`)}\n`);
      return differ.length + unreadable.length === 0 ? EXIT.ok : EXIT.outcome;
    }),
  );
}

/** Whether the run had nothing to replay: nothing happened yet, or nothing since its checkpoint. */
const isNothing = ({ cranks, difference }: TrialResult): boolean => cranks === 0 && difference === undefined;

function verdictOf(all: number, nothing: number, differ: number): string {
  const compared = all - nothing;
  const rest = nothing === 0 ? '' : `; ${nothing} had nothing to compare`;
  if (differ > 0) return paint('red', `${differ} of ${compared} would do something else${rest}`);
  if (compared === 0) return 'there was nothing to compare';
  return paint('green', `all ${compared} would do the same${rest}`);
}

/** At a host, or on a folder without one. */
export async function upgrade(named: string, file: string, options: Omit<SettleOptions, 'data'> & HostFlags): Promise<number> {
  const place = await hostOrFolder(options);
  if ('data' in place) return upgradeHere(named, file, { ...options, data: place.data });
  const run = runId(named);
  const { client } = place;
  const to = /^(?:[a-z][a-z0-9-]{0,31}|sha256:[0-9a-f]{8,64})$/.test(file) ? file : await deployed(client, run, file);
  const moved = await client.upgradeRun({ params: { run }, body: { to } });
  print(options, moved, () => `${moved.run}  moved to ${moved.version}`);
  return EXIT.ok;
}

/** Deploys a file. @returns its version of the agent of a run @throws CORRAL_AGENT_UNKNOWN */
async function deployed(client: Client, run: RunId, file: string): Promise<string> {
  const { agent, tenant } = await client.showRun({ params: { run } });
  const bundle = await bundleAgent(await namedFile(file));
  const { source, describing, map } = bundle;
  const { agents } = await inAuthorsWords(bundle, client.deployAgent({ body: { source, describing, source_map: map, tenant } }));
  const version = agents.find((one) => one.agent === agent);
  if (version === undefined) throw new CorralError('CORRAL_AGENT_UNKNOWN', `${file} defines no agent ${agent}.`);
  return version.version;
}

async function upgradeHere(run: string, file: string, options: SettleOptions): Promise<number> {
  return withLaboratory(async (laboratory) => {
    const bundle = await bundled(laboratory, file);
    const act = { operation: 'upgrade' as const, target: { bundle: bundle.digest } };
    return settle(run, options, `moved to ${file}`, act, async (now, store) => {
      const { record } = now.stored;
      const version = agentIn(bundle, record.agent);
      const events: HostEvent[] = [movedTo(now.ledger, version, BY)];
      const { difference } = await tried(laboratory, store, now, bundle);
      if (difference !== undefined)
        throw new CorralError('CORRAL_UPGRADE_DIFFERS', `${record.id} would do something else on ${file}: ${differenceLine(difference)}.`);
      await store.deploy({ digest: bundle.digest, source: bundle.source, source_map: bundle.source_map }, bundle.versions);
      if (now.ledger.held === 'upgrade') events.push(freedBy(BY));
      return events;
    });
  });
}

interface Bundled {
  readonly source: string;
  readonly source_map: string;
  readonly digest: Digest;
  readonly versions: readonly AgentVersion[];
  readonly file: string;
}

/** Deploying gives no authority, so any tool may be named here; the run keeps the capabilities that it has. */
async function bundled(laboratory: Laboratory, file: string): Promise<Bundled> {
  await namedFile(file);
  const { source, map: source_map, describing } = await bundleAgent(file);
  const [manifests] = await laboratory.describe([describing]);
  const known = (name: string) => ({ name }) as Tool;
  return { source, source_map, file, ...versionsOf(checkBundle(source, manifests, known)) };
}

function agentIn({ versions, file }: Bundled, name: string): AgentVersion {
  const version = versions.find(({ manifest }) => manifest.name === name);
  if (version === undefined) {
    const names = versions.map(({ manifest }) => manifest.name).join(', ');
    throw new CorralError('CORRAL_AGENT_UNKNOWN', `${file} defines no agent ${name}; it defines ${names}.`);
  }
  return version;
}

/** All runs of an agent that have not ended, and the latest that have. */
async function runsOf(store: Store, agent: string, recent: number): Promise<StoredRun[]> {
  const waiting: StoredRun[] = [];
  const ended: StoredRun[] = [];
  for (let after: RunId | undefined; ;) {
    const page = await store.runs({ limit: PAGE, ...(after === undefined ? {} : { after }) });
    after = page.at(-1)?.record.id;
    if (after === undefined) break;
    for (const one of page) if (one.record.agent === agent) (one.status.lifecycle === 'ended' ? ended : waiting).push(one);
    ended.splice(0, Math.max(0, ended.length - recent));
  }
  return [...waiting, ...ended];
}

/** Replays what is needed to go on: everything since the last checkpoint. */
function tried(laboratory: Laboratory, store: Store, { stored, ledger, entries }: Read, bundle: Bundled | undefined): Promise<TrialResult> {
  const checkpoint = ledger.checkpoint?.seq ?? 0;
  const since = entries.filter(({ seq }) => seq > checkpoint);
  if (bundle !== undefined) return laboratory.trial({ record: stored.record, entries: since, checkpoint, bundle });
  const load = bundlesOf(store);
  return laboratory.trial({ record: stored.record, entries: since, checkpoint, bundle: () => load(ledger.bundle) });
}
