/** Approvals where there is no server: whoever sits at the terminal is asked, and where nobody does, the answer is no. */
import { createInterface } from 'node:readline/promises';
import type { Approval, Supervisor } from '@corral/supervisor';
import { printable } from './screen/table.ts';

/** Decides about every call that waits, one after the other. @returns what ends that */
export function askHere(supervisor: Supervisor): () => void {
  const closing = new AbortController();
  let turn = Promise.resolve();
  const askNext = async () => {
    const [approval] = await supervisor.approvals();
    if (approval === undefined || closing.signal.aborted) return;
    const said = process.stdin.isTTY && process.stderr.isTTY ? await ask(approval, closing.signal) : undefined;
    const reason = said === undefined ? 'nobody sits at a terminal' : 'said at the terminal';
    // There is one person here, who is whomever a rule asks for.
    const { run, call, approvers } = approval;
    await supervisor.control.decide(run, call, 'terminal', said === true ? 'approve' : 'deny', reason, approvers);
  };
  const stop = supervisor.observe((observation) => {
    // A run that ended meanwhile has nothing left to decide about.
    if (observation.kind === 'asked') turn = turn.then(askNext).catch(() => undefined);
  });
  return () => {
    stop();
    closing.abort();
  };
}

async function ask({ agent, tool, input, rules, unusual, origins }: Approval, signal: AbortSignal): Promise<boolean> {
  const from = new Map(origins);
  const lines = [
    `${agent} asks for ${tool} (${rules.join(', ')})`,
    ...Object.entries((input ?? {}) as Record<string, unknown>).map(
      ([name, value]) => `  ${name}: ${JSON.stringify(value)}${from.has(name) ? `  (${from.get(name)})` : ''}`,
    ),
    ...(unusual.length === 0 ? [] : [`  unusual: ${unusual.join(', ').replaceAll('_', ' ')}`]),
  ];
  process.stderr.write(`${lines.map((line) => printable(line)).join('\n')}\n`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(?:es)?$/i.test((await terminal.question('Allow it? [y/N] ', { signal })).trim());
  } finally {
    terminal.close();
  }
}
