/** `corral top` in a terminal: keys, questions, and the terminal as it was before, however it ends. */
import { spawn } from 'node:child_process';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { CORRAL, HAS_TERMINALS, inTerminal } from '../command.ts';
import { SLEEP, sharedFront } from '../front.ts';
import { family } from '../processes.ts';
import { until } from '../until.ts';

const made = sharedFront();

const PARENT = `import { defineAgent } from '@corral/guest';
const child = defineAgent({ name: 'parent/child', run: async ({ sleep }) => { await sleep(3600000); } });
export default defineAgent({ name: 'parent', spawns: { child }, run: async ({ spawn }) => (await spawn(child, {}).ended).kind });`;

beforeAll(async () => {
  const { deploy } = made();
  await deploy(SLEEP);
  await deploy(PARENT);
});

const submitted = async (agent: string) => (await made().admin.submitRun({ body: { agent } })).run;
const shown = async (run: RunId) => made().admin.showRun({ params: { run } });

interface Screen {
  readonly type: (keys: string) => void;
  /** Waits until the last picture is so. */
  readonly shows: (what: RegExp | string) => Promise<void>;
  readonly picture: () => string;
  readonly said: () => string;
  readonly signal: (name: NodeJS.Signals) => void;
  readonly ended: Promise<number | null>;
}

function top(columns = 80): Screen {
  const modes = `stty -a | grep -oE -- '-?(icanon|echo)\\b' | tr '\\n' ' '`;
  const command = `stty cols ${columns} rows 24; echo "before $(${modes})."; '${CORRAL.join("' '")}' top --data '${made().data}'; echo "status $?."; echo "after $(${modes})."`;
  const env: NodeJS.ProcessEnv = { ...process.env, TERM: 'xterm', NO_COLOR: '1' };
  delete env['FORCE_COLOR'];
  const [program = '', ...args] = inTerminal(command);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
  onTestFinished(() => void child.kill('SIGKILL'));
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  // oxlint-disable-next-line no-control-regex -- the escapes of a terminal
  const picture = () => (out.split('\u001b[H').at(-1) ?? '').replaceAll(/\u001b\[[0-9;?]*[a-zA-Z]/g, '').replaceAll('\r', '');
  return {
    type: (keys) => void child.stdin.write(keys),
    picture,
    said: () => out,
    shows: (what) =>
      until(() => (typeof what === 'string' ? picture().includes(what) : what.test(picture())), `the screen shows ${String(what)}`).catch(
        (error: unknown) => Promise.reject(new Error(`${String(error)}\n${picture()}`)),
      ),
    // The program is the last of its family: terminal, shell, program.
    signal: (name) => void process.kill(family(child.pid).at(-1)?.pid ?? 0, name),
    ended: new Promise((resolve) => child.on('close', resolve)),
  };
}

const DOWN = '\u001b[B';
const ESCAPE = '\u001b';

describe.skipIf(!HAS_TERMINALS)('corral top', () => {
  test('moves with j and k, says why with Enter, sorts, filters, and explains its keys, in rows that fit', async () => {
    const runs = [await submitted('sleeper'), await submitted('sleeper')];
    const screen = top(80);
    for (const run of runs) await screen.shows(run);
    await screen.shows('by CPU');
    const lines = screen.picture().split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.length).toBeLessThanOrEqual(24);
    screen.type('?');
    await screen.shows('kill a run with its children; asks first');
    screen.type(ESCAPE);
    await screen.shows('by CPU');
    screen.type('ss');
    await screen.shows('by age, oldest first');
    screen.type('/sleeper');
    await screen.shows('/sleeper');
    screen.type('\r');
    await screen.shows('only with “sleeper”');
    screen.type(`G${DOWN}kkj\r`);
    await screen.shows(/run_\w+: /);
    await screen.shows('waits for timer');
    screen.type(ESCAPE);
    await screen.shows('only with “sleeper”');
    screen.type('q');
    expect(await screen.ended).toBe(0);
    expect(screen.said()).toContain('status 0.');
    for (const run of runs) await made().admin.operate({ body: { operation: 'kill', target: { run }, reason: 'over' } });
  });

  test('on a narrow screen breaks a text between words, and its last line can be reached', async () => {
    const screen = top(24);
    await screen.shows('by CPU');
    screen.type('?');
    await screen.shows('Keys:');
    screen.type('G');
    await screen.shows('Esc closes this.');
    screen.type(ESCAPE);
    await screen.shows('by CPU');
    screen.type('q');
    expect(await screen.ended).toBe(0);
  });

  test('asks before it kills, says what goes with the run, and records the reason that was typed', async () => {
    const run = await submitted('parent');
    await until(async () => (await made().admin.runTree({ params: { run } })).children.length === 1, 'the child is there');
    const screen = top(100);
    screen.type('/parent\r');
    await screen.shows('parent/child');
    // The parent was there first.
    screen.type('ss');
    await screen.shows('by age, oldest first');
    screen.type('gx');
    await screen.shows(`kill ${run} (parent), with 1 descendant?`);
    // Nothing happens without a reason, nor after Escape.
    screen.type('\r');
    await screen.shows('Type the reason');
    screen.type(ESCAPE);
    await screen.shows('nothing was done');
    expect((await shown(run)).ended_as).toBeNull();
    // Outside of a question, k moves, and ? opens the help instead of being typed into a reason.
    screen.type('k?');
    await screen.shows('kill a run with its children; asks first');
    screen.type(ESCAPE);
    await screen.shows('by age, oldest first');
    expect((await shown(run)).ended_as).toBeNull();
    screen.type('gx');
    await screen.shows(`kill ${run} (parent)`);
    screen.type('it hammers the shop');
    await screen.shows('> it hammers the shop');
    screen.type('\r');
    await until(async () => {
      const { items } = await made().admin.listOperations({ query: { limit: 5 } });
      return items.some((one) => one.operation === 'kill' && one.reason === 'it hammers the shop');
    }, 'the kill with its reason');
    expect((await shown(run)).ended_as).toBe('killed');
    screen.type('q');
    await screen.ended;
    const { items } = await made().admin.listOperations({ query: { limit: 50 } });
    expect(items.map(({ reason }) => reason)).not.toContain('from corral top');
  });

  test.each([
    ['q', 0, (screen: Screen) => screen.type('q')],
    ['Ctrl-C', 130, (screen: Screen) => screen.type('\u0003')],
    ['SIGTERM', 143, (screen: Screen) => screen.signal('SIGTERM')],
    ['SIGHUP', 143, (screen: Screen) => screen.signal('SIGHUP')],
  ] as const)('gives the terminal back as it was after %s', async (_, status, leave) => {
    const screen = top();
    await screen.shows('? help');
    expect(screen.said()).toContain('\u001b[?1049h');
    leave(screen);
    await screen.ended;
    const said = screen.said();
    expect(said).toContain(`status ${status}.`);
    const modes = (when: string) => new RegExp(`${when} ([^.]*)\\.`).exec(said)?.[1];
    expect(modes('after')).toBe(modes('before'));
    expect(modes('after')).toMatch(/(^| )icanon /);
    // The alternate screen was left and the cursor is back, after the last picture.
    expect(said.lastIndexOf('\u001b[?1049l')).toBeGreaterThan(said.lastIndexOf('\u001b[H'));
    expect(said.lastIndexOf('\u001b[?25h')).toBeGreaterThan(said.lastIndexOf('\u001b[?25l'));
  });

  // The last one, since all tests of this file have one host.
  test('gives the terminal back when its host is gone', async () => {
    const screen = top();
    await screen.shows('? help');
    await made().host.close(0);
    await screen.ended;
    const said = screen.said();
    expect(said).toContain('status 3.');
    expect(said.indexOf('CORRAL_UNREACHABLE')).toBeGreaterThan(said.lastIndexOf('\u001b[?1049l'));
  });
});
