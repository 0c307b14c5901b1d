/** Reads recorded agent runs: one JSON object a line, gzipped. What they are is in the README beside them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Seen } from '@corral/policy/detect/events';

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

/** All rows of the files whose name matches. `dir` holds the files, or a folder `dev` with them. */
export function rows(dir: string, name: RegExp): Row[] {
  const folder = existsSync(join(dir, 'dev')) ? join(dir, 'dev') : dir;
  return readdirSync(folder)
    .filter((file) => file.endsWith('.jsonl.gz') && name.test(file))
    .sort()
    .flatMap((file) =>
      gunzipSync(readFileSync(join(folder, file)))
        .toString('utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Row),
    );
}

/**
 * A recorded call as the bus would have shown it. Results are clipped in the records; the digest of the whole one
 * stands behind the clipped text, so that two results are the same when the whole ones were. An empty text at the
 * end of a run that was cut off is a call whose result nobody saw, and is not shown.
 */
export function seen(row: Row, index: number): Seen[] {
  const call = row.calls[index] as Call;
  const at = 0;
  if (isMessage(call)) return [{ kind: 'sent', at, peer: `${call.agent} ${call.tool}`, body: text(call) }];
  const events: Seen[] = [
    {
      kind: 'call',
      at,
      id: index,
      tool: row.calls.every((one) => one.agent === call.agent) ? call.tool : `${call.agent} ${call.tool}`,
      input: call.args,
    },
  ];
  const result = call.result ?? '';
  if (call.error !== undefined && call.error !== null && call.error !== '')
    events.push({ kind: 'result', at, id: index, error: { code: 'CORRAL_TOOL_FAILED', message: call.error } });
  else if (result !== '') events.push({ kind: 'result', at, id: index, value: clipped(result, call) });
  return events;
}

/** Speech of one agent to another, and what has no result, is a message. */
function isMessage(call: Call): boolean {
  return /^(?:say|delegate)(?::|$)/.test(call.tool);
}

function text(call: Call): unknown {
  return typeof call.args['text'] === 'string' ? call.args['text'] : call.args;
}

function clipped(result: string, call: Call): unknown {
  return result.endsWith('…') && typeof call.res_sha === 'string' ? [result, call.res_sha] : result;
}
