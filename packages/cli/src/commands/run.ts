/** `corral run FILE`: one agent in this process, without a server. */
import { styleText } from 'node:util';
import { CorralError } from '@corral/protocol/errors';
import type { PrincipalId, TenantId } from '@corral/protocol/ids';
import { ADMISSION } from '@corral/protocol/limits';
import { ASK_OWNER } from '@corral/protocol/model/question';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { Tool } from '@corral/protocol/ports/tool';
import type { RunView } from '@corral/supervisor';
import { readingTools, writingTools } from '@corral/tools/fs';
import { questionTools } from '@corral/tools/questions';
import { printableJson } from '@corral/protocol/printable';
import { bundleAgent, inAuthorsWords } from '../bundle.ts';
import { jsonArgument } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { adviceAbout, whereItComputed } from '../overrun.ts';
import { namedFile, namedFolder } from '../paths.ts';
import type { AnswerFlags } from '../answer-flags.ts';
import { Asker } from '../ask.ts';
import { startHost, wallsLine } from '../host.ts';
import { loadPolicies, policySource } from '../policies.ts';
import { Live } from '../screen/live.ts';
import { duration, printable } from '../screen/table.ts';
import { mapStack, withLines } from '../stack.ts';

export interface RunOptions extends AnswerFlags {
  readonly input?: string;
  readonly read?: string;
  readonly write?: string;
  readonly data?: string;
  readonly policy?: string;
  readonly json?: boolean;
}

const TENANT = 'local' as TenantId;

export async function runFile(file: string, options: RunOptions): Promise<number> {
  const input = await parseInput(options.input);
  await namedFile(file);
  const tools: Tool[] = [
    ...(options.read === undefined ? [] : await readingTools(await namedFolder('--read', options.read))),
    ...(options.write === undefined ? [] : await writingTools(await namedFolder('--write', options.write))),
    ...questionTools(),
  ];
  const policies = options.policy === undefined ? undefined : { current: await loadPolicies(tools, [await policySource(options.policy)]) };
  const bundled = await bundleAgent(file);
  const { source, map: source_map } = bundled;
  const host = await startHost({ data: options.data, tenants: { [TENANT]: { tools, ...(policies === undefined ? {} : { policies }) } } });
  let live: Live | undefined;
  try {
    const { supervisor } = host;
    const [manifests] = await inAuthorsWords(bundled, supervisor.describe([bundled.describing]));
    const [version] = await supervisor.deploy(TENANT, source, manifests, source_map).catch(explainMissingTools);
    if (version === undefined) throw new CorralError('CORRAL_INTERNAL', 'The bundle has no main agent.');
    const began = performance.now();
    let last: RunView | undefined;
    supervisor.observe((observation) => {
      if (observation.kind === 'ended' && observation.view.parent === undefined) last = observation.view;
    });
    const asks = Object.values<string>(version.manifest.uses).includes(`tool:${ASK_OWNER}`);
    const asker = policies === undefined && !asks ? undefined : new Asker(supervisor, options);
    asker?.aboutCalls();
    live =
      options.json === true || asker !== undefined
        ? undefined
        : new Live({
            stream: process.stderr,
            supervisor,
            title: wallsLine(host.walls),
            footer: () => '',
            ended: (view) => ({ mark: '', note: '', outcome: view.outcome === undefined ? '' : outcomeText(view.outcome) }),
          });
    const { id, ended } = await supervisor.submit({ tenant: TENANT, version, input, principal: 'local' as PrincipalId });
    const outcome = await ended;
    live?.close();
    asker?.close();
    const unasked = asker?.unasked() ?? [];
    const took = performance.now() - began;
    if (options.json === true) {
      process.stdout.write(
        `${printableJson({ run: id, agent: version.manifest.name, version: version.version, outcome: withLines(outcome, source_map), cpu_ms: last?.cpu_ms, calls: last?.calls, took_ms: Math.round(took), ...(unasked.length === 0 ? {} : { unasked }) }, 2)}\n`,
      );
    } else {
      const good = outcome.kind === 'completed';
      const text = styleText(good ? 'green' : 'red', outcomeText(outcome), { stream: process.stderr });
      process.stderr.write(
        `${id}  ${version.manifest.name}  ${text}  in ${duration(took)}, ${duration(last?.cpu_ms ?? 0)} of CPU, ${last?.calls ?? 0} ${last?.calls === 1 ? 'call' : 'calls'}\n`,
      );
      if (good) process.stdout.write(`${printableJson(outcome.output, 2)}\n`);
      else if ('message' in outcome) process.stderr.write(`${printable(outcome.message)}\n`);
      const stack = 'stack' in outcome ? outcome.stack : await whereItComputed(host, id, outcome);
      if (stack !== undefined) tellStack(mapStack(stack, source_map));
      for (const line of await adviceAbout(outcome))
        process.stderr.write(`${styleText('cyan', '→', { stream: process.stderr })} ${printable(line)}\n`);
    }
    return outcome.kind === 'completed' && unasked.length === 0 ? EXIT.ok : EXIT.outcome;
  } finally {
    live?.close();
    await host.close();
  }
}

function tellStack(stack: string): void {
  const lines = stack.split('\n').map((line) => printable(line));
  process.stderr.write(`${styleText('dim', lines.join('\n'), { stream: process.stderr })}\n`);
}

/** Names the flags that offer the file tools, which are the only tools here. */
function explainMissingTools(error: unknown): never {
  if (!(error instanceof CorralError) || error.code !== 'CORRAL_CAP_UNKNOWN') throw error;
  throw new CorralError(
    'CORRAL_CAP_UNKNOWN',
    `${error.message} \`corral run\` offers fs.read and fs.list with --read FOLDER, fs.write with --write FOLDER.`,
  );
}

export async function parseInput(text: string | undefined): Promise<unknown> {
  if (text === undefined) return {};
  return jsonArgument('--input', text, ADMISSION.input_bytes.default);
}
