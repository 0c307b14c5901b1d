/**
 * Kills hosts, cells and MCP servers while an agent of the AI SDK is in the middle of calls, plays the person who settles what nobody can know,
 * and holds what was done outside against what the host says of it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allItems } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { CORRAL, start } from '../../command.ts';
import { shortFolder } from '../../front.ts';
import { Dice } from '../../sim/dice.ts';
import { realTime, until } from '../../until.ts';
import { haveEnded, Host, isCell, isProgram } from '../killable.ts';
import { ALL, ANSWER, ofArguments, Outside, planOf, PROGRAM, STEP_MS, type Where } from './outside.ts';
import { leaksOf } from './secrets.ts';

const AGENT = fileURLToPath(new URL('../../agents/frameworks/supports.ts', import.meta.url));
/** Runs at once. */
const RUNS = 2;
const RETRY_MS = 20;
const WHOM = ['host', 'cell', 'desk', 'far'] as const;
type Whom = (typeof WHOM)[number];

export interface Account {
  /** Number of kills. */
  readonly kills: Readonly<Record<Whom, number>>;
  /** Each thing that is not as it has to be, in words. */
  readonly faults: string[];
  /** Calls of unknown result, which a person settled. */
  readonly unknown: number;
}

/** A call whose result was unknown. */
interface Lost {
  readonly call: number;
  readonly tool: string;
  readonly of: string;
}

class World {
  readonly dice: Dice;
  readonly host: Host;
  readonly outside: Outside;
  readonly faults: string[] = [];
  /** Answers of the API, to be searched for secrets. */
  readonly said: string[] = [];
  readonly #folder: string;

  constructor(folder: string, seed: number) {
    this.#folder = folder;
    this.dice = new Dice(seed);
    this.outside = new Outside(join(folder, 'out'));
    this.host = new Host(join(folder, 'd'), join(folder, 'corral.config.json'), this.outside.env);
  }

  async open(): Promise<void> {
    await this.outside.open();
    await writeFile(join(this.#folder, 'corral.config.json'), JSON.stringify(this.outside.config));
    await this.host.start();
    const deployed = await start([...CORRAL, 'deploy', AGENT, '--data', this.host.data]).said;
    if (deployed.code !== 0) throw new Error(deployed.err);
  }

  /** @returns whether there was something to be killed */
  async kill(whom: Whom): Promise<boolean> {
    const { host, outside } = this;
    if (whom === 'far') return outside.killFar();
    if (whom === 'cell') return host.kill(isCell);
    const started = host.processes();
    if (whom === 'desk') {
      const isDesk = isProgram(PROGRAM);
      const those = started.filter(({ pid }) => isDesk(pid));
      if (!host.kill(isDesk)) return false;
      await until(() => haveEnded(those), 'the program has ended');
    } else {
      if (!(await host.killed())) return false;
      await until(() => haveEnded(started), 'what the host had started has ended');
    }
    outside.gone.push({ where: 'desk', at: Date.now() });
    return true;
  }

  /** Waits for the end of a run as a person who settles what is unknown. @param faults said of the run */
  async ended(run: RunId, lost: Lost[], say: (fault: string) => void): Promise<void> {
    const { client } = this.host;
    for (;;) {
      try {
        const shown = await client.showRun({ params: { run }, query: { wait_ms: 200 } });
        if (shown.outcome !== null) {
          const { outcome } = shown;
          const isDone = outcome.kind === 'completed' && (outcome.output as { readonly text?: string }).text === ANSWER;
          if (!isDone) say(`it ended as ${JSON.stringify(outcome)}`);
          return;
        }
        if (shown.waiting === 'resolution') await this.#settle(run, lost);
      } catch (error) {
        if (error instanceof Error && error.message.includes('did not hold')) throw error;
        // The host is gone, or takes up its runs.
      }
      await realTime(RETRY_MS, 'a follower whose host is gone');
    }
  }

  async #settle(run: RunId, lost: Lost[]): Promise<void> {
    const { client } = this.host;
    const { outside } = this;
    for (const { call, tool, state, input } of await allItems((at) => client.runCalls({ params: { run }, query: at }))) {
      if (state !== 'unknown') continue;
      const of = ofArguments(input as object);
      if (!lost.some((one) => one.call === call)) lost.push({ call, tool, of });
      // A request may still be on its way in another process.
      await realTime(STEP_MS, 'a request whose host is gone');
      await until(() => outside.isOver(of), `nothing more comes of ${of}`);
      const isDone = outside.lines().some((line) => line.of === of && line.what === 'acts');
      const value = tool === 'http:crm' ? { status: 200, headers: {}, body: 'seen' } : { content: [{ type: 'text', text: 'seen' }] };
      await client.resolveCall({
        params: { run, call },
        body: { ...(isDone ? { how: 'result', value } : { how: 'retry' }), reason: `looked at ${of}` } as never,
      });
    }
  }

  /** Holds a run that has ended against what was done outside. */
  async judge(run: RunId, question: string, whom: Whom, killed_at: number, lost: readonly Lost[], say: (fault: string) => void) {
    const { client } = this.host;
    const lines = this.outside.lines().filter(({ of }) => of.startsWith(`${question}/`));
    const count = (of: string, what: string) => lines.filter((line) => line.of === of && line.what === what).length;
    for (const { of, act } of planOf(question)) {
      const done = count(of, act ? 'acts' : 'looks');
      if (act ? done !== 1 : done < 1) say(`${of} was done ${done} times`);
    }
    const calls = await allItems((at) => client.runCalls({ params: { run }, query: at }));
    for (const { call, state, acted, answered_at, input, tool, settled } of calls) {
      if (tool.startsWith('model:')) continue;
      const of = ofArguments(input as object);
      const its = lines.filter((line) => line.of === of && (line.call === undefined || line.call === `${run}:${call}`));
      const deeds = its.filter(({ what }) => what === 'acts' || what === 'looks').length;
      const begun = its.filter(({ what }) => what === 'begins');
      const name = `call ${call} to ${tool} for ${of}`;
      if (state !== 'done' && state !== 'failed') say(`${name} is ${state}`);
      if (answered_at === null) say(`${name} was not answered`);
      else if (state === 'done' && begun.some(({ at }) => at > answered_at)) say(`${name} was made again after it was finished`);
      // A request by HTTP does not say for which call it is, so two calls for one act cannot be told apart outside.
      const isAlone = tool !== 'http:crm' || calls.filter((one) => ofArguments(one.input as object) === of).length === 1;
      if (acted === 'yes' && deeds === 0) say(`${name} is said to have been done`);
      if (acted === 'no' && isAlone && deeds > 0) say(`${name} is said to have done nothing`);
      const isLost = lost.some((one) => one.call === call);
      if (settled.length > 0 !== isLost) say(`${name} was settled ${settled.length} times`);
    }
    for (const { tool, of, call } of lost) {
      const where = (tool.startsWith('http:') ? 'crm' : tool.slice(0, tool.indexOf('.'))) as Where;
      const asked_at = calls.find((one) => one.call === call)?.asked_at ?? Infinity;
      const mayBe = whom === 'host' || whom === where;
      if (!mayBe || !of.includes('/a') || asked_at > killed_at)
        say(`call ${call} to ${tool} for ${of} is unknown after the ${whom} was killed`);
    }
    const params = { run };
    const views = [client.showRun({ params }), client.runJournal({ params }), client.whyRun({ params }), client.storyRun({ params })];
    this.said.push(JSON.stringify([calls, ...(await Promise.all(views))]));
  }

  /** One kill. @returns the number of calls of unknown result */
  async round(n: number, whom: Whom, kills: Record<Whom, number>): Promise<number> {
    const { dice, host, outside } = this;
    const questions = Array.from({ length: RUNS }, (_, i) => `q${n}-${i}`);
    const body = (question: string) => ({ body: { agent: 'supports', input: { question } } });
    const runs = await Promise.all(questions.map(async (one) => (await host.client.submitRun(body(one))).run));
    const say = (i: number) => (fault: string) => void this.faults.push(`round ${n} (${whom}, ${runs[i]}): ${fault}`);
    const lost = runs.map((): Lost[] => []);
    const ending = Promise.all(runs.map((run, i) => this.ended(run, lost[i] ?? [], say(i))));
    const its = planOf(dice.pick(questions)).filter(({ where }) => whom === 'host' || whom === 'cell' || where === whom);
    const { of } = dice.pick(its);
    await until(() => outside.lines().some((line) => line.of === of && line.what === 'begins'), `${of} has begun in round ${n}`);
    await realTime(dice.between(0, 3 * STEP_MS), 'a kill in the middle of calls');
    const killed_at = Date.now();
    if (await this.kill(whom)) kills[whom] += 1;
    else this.faults.push(`round ${n}: there was no ${whom} to kill`);
    await ending;
    for (const [i, run] of runs.entries()) await this.judge(run, questions[i] ?? '', whom, killed_at, lost[i] ?? [], say(i));
    return lost.flat().length;
  }

  async close(): Promise<void> {
    const { host, outside, faults, said } = this;
    const { client } = host;
    const views = [client.listToolReviews({}), client.listTools({}), client.showConfig({}), client.listOperations({}), client.listRuns({})];
    said.push(JSON.stringify(await Promise.all(views)));
    const lines = host.processes().map(({ pid }) => pid);
    faults.push(...(await leaksOf(outside.secrets, { host, said, lines })));
    const started = host.processes();
    const code = await host.end();
    if (code !== 0) faults.push(`the host ended with ${code}`);
    await until(() => haveEnded(started), 'what the host had started has ended');
    faults.push(...(await leaksOf(outside.secrets, { host, said: [], lines: [] })));
    if (outside.strangers.length > 0) faults.push(`the CRM was asked without its key: ${outside.strangers.join(', ')}`);
    for (const where of ALL) if (!outside.lines().some((line) => line.where === where)) faults.push(`nobody asked ${where}`);
  }
}

/** @param rounds in each of which one thing is killed while runs are in the middle of calls */
export async function killInCalls(rounds: number, seed: number): Promise<Account> {
  const folder = await shortFolder();
  await mkdir(join(folder, 'out'));
  const world = new World(folder, seed);
  await world.open();
  const kills = { host: 0, cell: 0, desk: 0, far: 0 };
  let unknown = 0;
  let victims: Whom[] = [];
  for (let n = 0; n < rounds; n++) {
    // Each has its turn in every four: a program that is killed again and again is started later and later.
    if (victims.length === 0) victims = world.dice.shuffle(WHOM);
    unknown += await world.round(n, victims.pop() ?? 'host', kills);
  }
  await world.close();
  return { kills, faults: world.faults.map((fault) => `seed ${seed}: ${fault}`), unknown };
}
