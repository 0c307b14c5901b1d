/**
 * Approvals without a server: asks the person at the terminal. If there is no terminal and no answer was given beforehand, the answer is
 * no, and the command says about what nobody was asked.
 */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { ASK_OWNER, wantedText } from '@corral/protocol/model/question';
import type { Approval, Supervisor } from '@corral/supervisor';
import type { AnswerFlags } from './answer-flags.ts';
import { valueOf } from './answer-value.ts';
import { printable } from './screen/table.ts';

/** Something that a person would have decided. */
export interface Unasked {
  readonly run: RunId;
  /** Undefined where the run itself was paused for a person. */
  readonly call?: number;
  readonly tool?: string;
  readonly why: string;
}

/** Asks the questions of one command. */
export class Asker {
  readonly #supervisor: Supervisor;
  readonly #always: 'approve' | 'deny' | undefined;
  readonly #before: () => Promise<void>;
  readonly #closing = new AbortController();
  readonly #stops: (() => void)[] = [];
  readonly #unasked: Unasked[] = [];
  #turn = Promise.resolve();

  /** @param before shows what happened so far, so that a question is the last line on the terminal */
  constructor(supervisor: Supervisor, { approve, deny }: AnswerFlags, before: () => Promise<void> = () => Promise.resolve()) {
    this.#supervisor = supervisor;
    this.#always = approve === true ? 'approve' : deny === true ? 'deny' : undefined;
    this.#before = before;
  }

  /** Asks about every call that waits for approval, one after the other. */
  aboutCalls(): void {
    // Fails if the run has ended meanwhile; then there is nothing to decide.
    this.#on(({ kind }) => (kind === 'asked' ? () => this.#nextCall() : undefined));
  }

  /**
   * Asks about every run that was paused for a person, by policies or for a loop. If there is no terminal, or the answer is no, the run is
   * killed, since nobody else can resume it here.
   */
  aboutPauses(): void {
    this.#on((seen) => {
      const halted = seen.kind === 'paused' || (seen.kind === 'step' && seen.step === 'pause') || seen.kind === 'quarantined';
      const { run } = seen as { readonly run?: RunId };
      return halted && run !== undefined ? () => this.#paused(run, seen.reason) : undefined;
    });
  }

  /** @returns what nobody was asked about since the last time */
  unasked(): readonly Unasked[] {
    return this.#unasked.splice(0);
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#closing.abort();
  }

  #on(work: (seen: Parameters<Parameters<Supervisor['observe']>[0]>[0]) => (() => Promise<void>) | undefined): void {
    const stop = this.#supervisor.observe((seen) => {
      const asking = work(seen);
      if (asking !== undefined) this.#turn = this.#turn.then(asking).catch(() => undefined);
    });
    this.#stops.push(stop);
  }

  async #nextCall(): Promise<void> {
    const [approval] = await this.#supervisor.approvals();
    if (approval === undefined || this.#closing.signal.aborted) return;
    await this.#before();
    if (approval.asks !== undefined) return this.#question(approval, approval.asks);
    const [verdict, reason] = await this.#answerTo(approval);
    // The person at the terminal may decide as any approver that a rule names, and as each of several.
    const { run, call, approvers, approved_by } = approval;
    const by = approved_by.length === 0 ? 'terminal' : `terminal ${approved_by.length + 1}`;
    await this.#supervisor.control.decide(run, call, by, verdict, reason, approvers);
    // A rule may ask for another person about the same call.
    if (verdict === 'approve') await this.#nextCall();
  }

  /** Has the person at the terminal answer a question, as its owner. An answer that does not fit is asked for once more. */
  async #question({ run, call, agent, approvers }: Approval, asks: NonNullable<Approval['asks']>): Promise<void> {
    const { control } = this.#supervisor;
    const { question, schema, misfit, from } = asks;
    const decline = (why: string) => control.decide(run, call, 'terminal', 'deny', why, approvers);
    if (this.#always !== undefined) return decline(`--${this.#always} was given, which answers no question`);
    say(from === undefined ? `${agent} asks: ${question}` : `${from} asks, to go on with a call of ${agent}: ${question}`);
    if (misfit !== undefined) say(`The last answer did not fit: ${misfit}`);
    if (!hasTerminal()) {
      this.#leave({ run, call, tool: from ?? ASK_OWNER, why: 'a question' });
      say(`nobody was asked, since there is no terminal here: question ${call} is declined.`);
      return decline('no terminal to ask at');
    }
    for (;;) {
      const text = await line(`${printable(wantedText(schema))}: `, this.#closing.signal);
      if (text === undefined) return decline('no answer at the terminal');
      try {
        return await control.answer(run, call, 'terminal', valueOf(text, schema), 'answered at the terminal', approvers);
      } catch (error) {
        if (!(error instanceof CorralError) || error.code !== 'CORRAL_ANSWER_INVALID') throw error;
        say(error.message);
      }
    }
  }

  async #answerTo(approval: Approval): Promise<['approve' | 'deny', reason: string]> {
    if (this.#always !== undefined) return [this.#always, `--${this.#always} was given`];
    if (hasTerminal()) return [(await ask(approval, this.#closing.signal)) ? 'approve' : 'deny', 'answered at the terminal'];
    const { run, call, tool, rules } = approval;
    this.#leave({ run, call, tool, why: rules.join(', ') });
    say(`nobody was asked about ${tool} (${rules.join(', ')}), since there is no terminal here: call ${call} is denied.`);
    say('Run it in a terminal, or give --approve or --deny.');
    return ['deny', 'no terminal to ask at'];
  }

  async #paused(run: RunId, why: string): Promise<void> {
    const { control } = this.#supervisor;
    // The observation comes before the run is halted.
    for (let view = this.#supervisor.view(run); view?.control === 'none'; view = this.#supervisor.view(run)) {
      if (this.#closing.signal.aborted) return;
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    const view = this.#supervisor.view(run);
    if (view === undefined || this.#closing.signal.aborted) return;
    await this.#before();
    say(`${view.agent} is ${view.control}: ${why}`);
    if (hasTerminal()) {
      if (view.control === 'paused' && (await isAllowed('Let it go on?', this.#closing.signal)))
        await control.resume(run, 'terminal', 'answered at the terminal');
      else await control.kill(run, 'terminal', why);
      return;
    }
    this.#leave({ run, why });
    say(`nobody was asked whether ${view.agent} may go on, since there is no terminal here: it is killed.`);
    await control.kill(run, 'terminal', `${why}; no terminal to ask at`);
  }

  #leave(unasked: Unasked): void {
    this.#unasked.push(unasked);
  }
}

const say = (text: string) => process.stderr.write(`${printable(text)}\n`);

const LOOK_MS = 10;

/** Whether there is a person to ask. */
export const hasTerminal = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

function ask({ agent, tool, input, rules, unusual, origins, quorum, approved_by }: Approval, signal: AbortSignal): Promise<boolean> {
  const from = new Map(origins.map((one) => [one.path, one.from]));
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

/**
 * Asks a question at the terminal whose answer is yes or no; anything but yes is no, and so is the end of the input. A terminal that is
 * being read hands over Ctrl-C as a key instead of a signal, so the signal is sent here: it ends this process, or does what the command
 * does when it is interrupted. The question then has no answer, and nothing goes on as if it had one.
 */
export async function isAllowed(question: string, signal?: AbortSignal): Promise<boolean> {
  return /^y(?:es)?$/i.test((await line(`${question} [y/N] `, signal))?.trim() ?? '');
}

/** One line from the terminal; undefined if the input has ended. */
async function line(prompt: string, signal?: AbortSignal): Promise<string | undefined> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  terminal.once('SIGINT', () => {
    terminal.off('close', ended);
    terminal.close();
    process.stderr.write('\n');
    process.kill(process.pid, 'SIGINT');
  });
  const ended = () => resolve(undefined);
  terminal.once('close', ended);
  const aborted = () => reject(signal?.reason as Error);
  signal?.addEventListener('abort', aborted, { once: true });
  if (signal?.aborted === true) aborted();
  terminal.question(prompt, resolve);
  try {
    return await promise;
  } finally {
    terminal.off('close', ended);
    signal?.removeEventListener('abort', aborted);
    terminal.close();
  }
}

/** One line from the terminal that is not shown while it is written; empty if the input has ended. */
export async function hiddenLine(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const { promise, resolve } = Promise.withResolvers<string>();
  terminal.once('line', resolve);
  terminal.once('close', () => resolve(''));
  terminal.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    return (await promise).trim();
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
