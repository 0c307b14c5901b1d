/** Reads recorded agent runs: files with one JSON object in each line, gzipped. The README beside them describes them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Seen } from '@corral/policy/detection/events';

export interface Call {
  readonly agent: string;
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly step?: number;
  readonly result?: string | null;
  readonly res_sha?: string | null;
  readonly res_len?: number;
  readonly error?: string | null;
  readonly src?: Readonly<Record<string, readonly (string | number)[]>>;
  readonly hijack?: boolean;
}
export interface Row {
  readonly id: string;
  readonly source: string;
  readonly model: string;
  readonly defense?: string | null;
  readonly suite?: string;
  readonly task: string;
  readonly role?: string;
  readonly injected?: boolean;
  readonly utility?: boolean | null;
  readonly security?: boolean | null;
  readonly n_steps?: number;
  readonly ledger?: readonly { readonly after_call: number; readonly in_loop: boolean }[];
  readonly label_step_repetition?: boolean;
  readonly label_trajectory_restart?: boolean;
  readonly calls: readonly Call[];
}

/** The folder with the files: `dir` itself, or the first folder in it that has some. */
export function folderOf(dir: string): string {
  const holds = (folder: string) => readdirSync(folder).some((file) => RECORDS.test(file));
  if (holds(dir)) return dir;
  const below = readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(dir, entry.name));
  return below.find((folder) => holds(folder)) ?? dir;
}

const RECORDS = /\.jsonl(?:\.gz)?$/;

/** All rows of the files whose name matches. `dir` contains the files, or a folder with them. */
export function rows<T = Row>(dir: string, name: RegExp): T[] {
  const folder = folderOf(dir);
  return readdirSync(folder)
    .filter((file) => RECORDS.test(file) && name.test(file))
    .sort()
    .flatMap((file) => {
      const bytes = readFileSync(join(folder, file));
      return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes)
        .toString('utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as T);
    });
}

/**
 * A recorded call as the broker would have shown it to the detectors. Results are clipped in the records, so the digest of the whole
 * result is added: two results are equal if the whole ones were.
 */
export function seen(row: Row, index: number): Seen[] {
  const call = row.calls[index] as Call;
  const at = 0;
  if (isMessage(call)) return [{ kind: 'sent', at, peer: `${call.agent} ${call.tool}`, body: text(call) }];
  const alone = row.calls.every((one) => one.agent === call.agent);
  const asked: Seen = { kind: 'call', at, id: index, tool: alone ? call.tool : `${call.agent} ${call.tool}`, input: call.args };
  if (hasFailed(call))
    return [asked, { kind: 'result', at, id: index, error: { code: 'CORRAL_TOOL_FAILED', message: call.error as string } }];
  if (isCutOff(row.calls, index)) return [asked];
  // Some records have no results.
  if (call.result === undefined || call.result === null) return [asked, { kind: 'result', at, id: index }];
  return [asked, { kind: 'result', at, id: index, value: clipped(call.result, call) }];
}

/** Whether it is a message of one agent to another. */
function isMessage(call: Call): boolean {
  return /^(?:say|delegate|report)(?::|$)/.test(call.tool);
}

export function hasFailed(call: Call): boolean {
  return (call.error ?? '') !== '';
}

/** Whether the run was cut off at this call: it is in the last step and its result is empty, so nobody saw the result. */
export function isCutOff(calls: readonly Call[], index: number): boolean {
  const call = calls[index] as Call;
  return (call.result ?? '') === '' && !hasFailed(call) && call.step !== undefined && call.step === calls.at(-1)?.step;
}

function text(call: Call): unknown {
  return typeof call.args['text'] === 'string' ? call.args['text'] : call.args;
}

function clipped(result: string, call: Call): unknown {
  return result.endsWith('…') && typeof call.res_sha === 'string' ? [result, call.res_sha] : result;
}
