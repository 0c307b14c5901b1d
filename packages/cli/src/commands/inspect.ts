/**
 * `corral replay RUN --inspect`: runs the agent in plain Node under a debugger, with the deliveries of its journal. The code
 * leaves its isolate for that and only Node's permissions confine it, so this is for agents whose author you trust.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { COLLECT, DELIVER, needsOf, type PreludeConfig } from '@corral/guest/abi';
import { CorralError } from '@corral/protocol/errors';
import { MACHINE } from '@corral/protocol/limits';
import type { Entry } from '@corral/protocol/model/run';
import type { Store, StoredRun } from '@corral/protocol/ports/store';
import { segmentSeed, segmentsOf } from '@corral/supervisor';
import { CELL_ENVIRONMENT, IMAGE_PATH } from '@corral/supervisor/host/walls';
import { EXIT } from '../failure.ts';
import { bundlesOf } from '../folder.ts';
import type { InspectJob, InspectSegment } from '../inspect/job.ts';
import { deliveryText, fit, paint } from '../screen/entries.ts';

const GUEST = fileURLToPath(new URL('../inspect/guest.ts', import.meta.url));
const ADDRESS = '127.0.0.1:9229';

/** @param address `HOST:PORT` or `PORT` for the inspector */
export async function inspect(store: Store, stored: StoredRun, entries: readonly Entry[], address = ADDRESS): Promise<number> {
  if (!/^([\w.:[\]-]+:)?\d{1,5}$/.test(address)) throw new CorralError('CORRAL_USAGE', `--inspect takes HOST:PORT, not ${address}.`);
  if (stored.record.program !== undefined)
    throw new CorralError(
      'CORRAL_USAGE',
      `${stored.record.id} runs a program that an agent made. Nobody has reviewed that code, so it runs in a cell alone: leave out --inspect.`,
    );
  const job = await jobOf(store, stored, entries);
  const folder = await mkdtemp(join(tmpdir(), 'corral-inspect-'));
  try {
    const file = join(folder, 'job.json');
    await writeFile(file, JSON.stringify(job), { mode: 0o600 });
    const sources = authorsFiles(job);
    return await debugged(file, address.includes(':') ? address : `127.0.0.1:${address}`, sources);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function jobOf(store: Store, { record }: StoredRun, entries: readonly Entry[]): Promise<InspectJob> {
  const image = JSON.parse(readFileSync(IMAGE_PATH, 'utf8')) as { prelude: string; parts: Record<string, string> };
  const load = bundlesOf(store);
  const { ceilings, header, agent, created_at } = record;
  const segments: InspectSegment[] = [];
  // A crank that did not return is included: it is the one that most needs a debugger.
  const withLost = entries.map((entry) =>
    entry.delivery !== undefined && entry.effects === undefined ? { ...entry, effects: LOST } : entry,
  );
  for (const segment of segmentsOf(withLost, record.bundle)) {
    const { source } = await load(segment.bundle);
    const config: PreludeConfig = {
      agent,
      at: created_at,
      seed: segmentSeed(header.seed, segment.checkpoint),
      message_bytes: ceilings.message_bytes,
      model_request_bytes: ceilings.model_request_bytes,
      log_bytes: ceilings.log_bytes,
      effects_per_crank: MACHINE.effects_per_crank.default,
      effects_bytes: MACHINE.effects_bytes.default,
      ...needsOf(source),
    };
    segments.push({
      config: JSON.stringify(config),
      source: mapped(source, await store.sourceMap(segment.bundle)),
      // The same file name as in an isolate: it appears in stack traces, which the agent may have read.
      filename: 'agent.js',
      cranks: segment.cranks.map(({ seq, delivery, effects }) => ({
        crank: seq,
        delivery,
        effects: effects === LOST ? undefined : effects,
        title: fit(deliveryText(delivery), 60),
      })),
    });
  }
  return { prelude: image.prelude, parts: image.parts, deliver: DELIVER, collect: COLLECT, segments };
}

const LOST = '';

interface SourceMap {
  sources: string[];
}

/** The bundle with its map, which refers to the author's files if they still exist. */
function mapped(source: string, text: string | undefined): string {
  if (text === undefined) return source;
  const map = JSON.parse(text) as SourceMap;
  map.sources = map.sources.map((file) => (existsSync(file) ? pathToFileURL(resolve(file)).href : file));
  return `${source}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`;
}

function authorsFiles(job: InspectJob): string[] {
  const last = job.segments.at(-1)?.source ?? '';
  const encoded = last.split('//# sourceMappingURL=data:application/json;base64,')[1];
  if (encoded === undefined) return [];
  const { sources } = JSON.parse(Buffer.from(encoded, 'base64').toString()) as SourceMap;
  return sources.filter((one) => one.startsWith('file:') && !one.includes('node_modules') && !one.includes('/guest/src/'));
}

/** Runs the process until the debugger lets it end. */
function debugged(file: string, address: string, sources: readonly string[]): Promise<number> {
  const permissions = process.allowedNodeEnvironmentFlags.has('--allow-inspector')
    ? ['--permission', '--allow-inspector', `--allow-fs-read=${file}`, `--allow-fs-read=${resolve(GUEST, '..')}`]
    : [];
  const child = spawn(process.execPath, [`--inspect-brk=${address}`, ...permissions, GUEST, file], {
    stdio: ['ignore', 'inherit', 'pipe'],
    env: { ...CELL_ENVIRONMENT },
  });
  const stop = () => void child.kill('SIGKILL');
  for (const signal of ['SIGINT', 'SIGTERM', 'exit'] as const) process.once(signal, stop);
  let said = false;
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4000);
    const url = /Debugger listening on (ws:\S+)/.exec(errors)?.[1];
    if (url !== undefined && !said) {
      said = true;
      process.stderr.write(steps(url, sources));
    }
    if (/Waiting for the debugger to disconnect/.test(text)) child.kill('SIGTERM');
  });
  return new Promise((done, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const one of ['SIGINT', 'SIGTERM', 'exit'] as const) process.off(one, stop);
      if (!said)
        reject(
          new CorralError('CORRAL_USAGE', `The inspector could not be opened at ${address}: ${errors.trim().split('\n').at(-1) ?? ''}`),
        );
      else done(code === 0 || signal === 'SIGTERM' ? EXIT.ok : EXIT.outcome);
    });
  });
}

function steps(url: string, sources: readonly string[]): string {
  const port = new URL(url).port;
  const bold = (text: string) => paint('bold', text);
  const files = sources.length === 0 ? '' : `\n     ${sources.map((source) => fileURLToPath(source)).join('\n     ')}`;
  return `${bold('Debugger listening on')} ${url}
${paint('yellow', 'The agent runs in plain Node here, outside of its isolate: only for agents whose author you trust.')}

  1. Attach: open ${bold('chrome://inspect')} in Chrome and choose ${bold('inspect')} (configure ${new URL(url).host} if it is not listed),
     or in VS Code run ${bold('Debug: Attach to Node Process')} with port ${bold(port)},
     or in another terminal ${bold(`node inspect 127.0.0.1:${port}`)}.
  2. The process stands at its first line. Resume once: it stops again with the agent loaded.
  3. Set breakpoints in the agent’s own files and resume: the journal’s deliveries are fed to it, crank by crank.${files}
  4. In the console, ${bold('journal')} has the crank it is at: what it was given, what is recorded, what was seen.
  5. It stops once more at the end of the journal. Resume, and the process ends. Nothing it asked for has left.

`;
}
