/** Approvals without a server: asks the person at the terminal. If there is no terminal, the answer is no. */
import { createInterface } from 'node:readline/promises';
import type { RunId } from '@corral/protocol/ids';
import type { Approval, Supervisor } from '@corral/supervisor';
import { printable } from './screen/table.ts';

/** Shows what happened so far, so that a question is the last line on the terminal. */
type Before = () => Promise<void>;
const nothing: Before = () => Promise.resolve();

/** Asks about every call that waits for approval, one after the other. @returns a function that stops this */
export function askHere(supervisor: Supervisor, before = nothing): () => void {
  const closing = new AbortController();
  let turn = Promise.resolve();
  const askNext = async (): Promise<void> => {
    const [approval] = await supervisor.approvals();
    if (approval === undefined || closing.signal.aborted) return;
    await before();
    const said = hasTerminal() ? await ask(approval, closing.signal) : undefined;
    const reason = said === undefined ? 'no terminal to ask at' : 'answered at the terminal';
    // The person at the terminal may decide as any approver that a rule names, and as each of several.
    const { run, call, approvers, approved_by } = approval;
    const by = approved_by.length === 0 ? 'terminal' : `terminal ${approved_by.length + 1}`;
    await supervisor.control.decide(run, call, by, said === true ? 'approve' : 'deny', reason, approvers);
    // A rule may ask for another person about the same call.
    if (said === true) await askNext();
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

/**
 * Asks about every run that was paused for a person, by policies or for a loop. If there is no terminal, or the answer is no, the run is
 * killed, since nobody else can resume it here. @returns a function that stops this
 */
export function resumeHere(supervisor: Supervisor, before = nothing): () => void {
  const closing = new AbortController();
  let turn = Promise.resolve();
  const decide = async (run: RunId, why: string) => {
    // The observation comes before the run is halted.
    for (let view = supervisor.view(run); view?.control === 'none'; view = supervisor.view(run)) {
      if (closing.signal.aborted) return;
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    const view = supervisor.view(run);
    if (view === undefined || closing.signal.aborted) return;
    await before();
    const may = view.control === 'paused' && hasTerminal();
    process.stderr.write(`${printable(`${view.agent} is ${view.control}: ${why}`)}\n`);
    if (may && (await isAllowed('Let it go on?', closing.signal)))
      await supervisor.control.resume(run, 'terminal', 'answered at the terminal');
    else await supervisor.control.kill(run, 'terminal', hasTerminal() ? why : `${why}; no terminal to ask at`);
  };
  const stop = supervisor.observe((observation) => {
    const halted =
      observation.kind === 'paused' || (observation.kind === 'step' && observation.step === 'pause')
        ? { run: observation.run, why: observation.reason }
        : observation.kind === 'quarantined' && observation.run !== undefined
          ? { run: observation.run, why: observation.reason }
          : undefined;
    if (halted !== undefined) turn = turn.then(() => decide(halted.run, halted.why)).catch(() => undefined);
  });
  return () => {
    stop();
    closing.abort();
  };
}

const LOOK_MS = 10;

/** Whether there is a person to ask. */
export const hasTerminal = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

function ask({ agent, tool, input, rules, unusual, origins, quorum, approved_by }: Approval, signal: AbortSignal): Promise<boolean> {
  const from = new Map(origins);
  const lines = [
    `${agent} asks for ${tool} (${rules.join(', ')})${quorum > 1 ? `, person ${approved_by.length + 1} of ${quorum}` : ''}`,
    ...Object.entries((input ?? {}) as Record<string, unknown>).map(
      ([name, value]) => `  ${name}: ${JSON.stringify(value)}${from.has(name) ? `  (${from.get(name)})` : ''}`,
    ),
    ...(unusual.length === 0 ? [] : [`  unusual: ${unusual.join(', ').replaceAll('_', ' ')}`]),
  ];
  process.stderr.write(`${lines.map((line) => printable(line)).join('\n')}\n`);
  return isAllowed('Allow it?', signal);
}

/** Asks a question at the terminal whose answer is yes or no; anything but yes is no. */
export async function isAllowed(question: string, signal?: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const said = await terminal.question(`${question} [y/N] `, signal === undefined ? {} : { signal });
    return /^y(?:es)?$/i.test(said.trim());
  } finally {
    terminal.close();
  }
}
