/** Approvals without a server: asks the person at the terminal. If there is no terminal, the answer is no. */
import { createInterface } from 'node:readline/promises';
import type { Approval, Supervisor } from '@corral/supervisor';
import { printable } from './screen/table.ts';

/** Asks about every call that waits for approval, one after the other. @returns a function that stops this */
export function askHere(supervisor: Supervisor): () => void {
  const closing = new AbortController();
  let turn = Promise.resolve();
  const askNext = async () => {
    const [approval] = await supervisor.approvals();
    if (approval === undefined || closing.signal.aborted) return;
    const said = process.stdin.isTTY && process.stderr.isTTY ? await ask(approval, closing.signal) : undefined;
    const reason = said === undefined ? 'no terminal to ask at' : 'answered at the terminal';
    // The person at the terminal may decide as any approver that a rule names.
    const { run, call, approvers } = approval;
    await supervisor.control.decide(run, call, 'terminal', said === true ? 'approve' : 'deny', reason, approvers);
  };
  const stop = supervisor.observe((observation) => {
    // Fails if the run has ended meanwhile; then there is nothing to decide.
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
