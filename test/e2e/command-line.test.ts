/** The command line at a host: short names of runs, lists, waiting, help, and what the shells complete. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { CORRAL, HAS_TERMINALS, corral as command, counted, folder, inTerminal, start } from '../command.ts';
import { front, HELLO, SLEEP, sharedFront, shortFolder } from '../front.ts';
import { until } from '../until.ts';

const LONG_NAME = 'looper-with-a-really-long-agent-name';
const made = sharedFront();
/** The host is in this process, so nothing here may wait for another process without a promise. */
const execute = promisify(execFile);
const corral = (...args: string[]) => command([...args, '--data', made().data]);

beforeAll(async () => {
  const { deploy } = made();
  await deploy(HELLO, { alias: 'prod' });
  await deploy(SLEEP);
  for (const end of ['one', 'two']) await deploy(SLEEP.replace("'sleeper'", `'${LONG_NAME}/${end}'`));
  await deploy(`{ name: 'thrower', run() { throw new Error('no'); } }`);
});

const submitted = async (agent: string, input: unknown = {}): Promise<string> =>
  (await corral('submit', agent, '--input', JSON.stringify(input))).out.trim();
const hello = async (): Promise<string> => {
  const run = await submitted('hello', { name: 'Ada' });
  expect((await corral('wait', run)).code).toBe(0);
  return run;
};

describe('a run', () => {
  test('is named by the beginning of its id, with or without run_, and by @last', async () => {
    const run = await hello();
    for (const name of [run.slice(0, 14), run.slice(4, 14), '@last']) expect((await corral('why', name)).out).toContain('completed');
    expect((await corral('show', '@last', '--json')).out).toContain(run);
    // Where an agent could be named as well, too.
    for (const verb of ['show', 'authority']) expect((await corral(verb, run.slice(4, 14))).out).toContain(run);
    expect((await corral('show', 'thrower', '--tenant', 'local')).out).toContain('thrower');
    const other = await hello();
    expect((await corral('diff', run.slice(4, 14), '@last')).out).toContain(other);
    const [first] = JSON.parse(
      (await corral('logs', '@last', '--json')).out.replace(/^/, '[').replace(/\n$/, ']').replaceAll('\n', ','),
    ) as {
      text: string;
    }[];
    expect(first?.text).toBe('hi Ada');
  });

  test('that several ids begin with is not guessed, and one that none begins with is said not to be there', { tags: 'long' }, async () => {
    const runs = new Map<string, string>();
    let twins: [string, string] | undefined;
    for (const { run } of (await made().admin.listRuns({ query: { limit: 500 } })).items) runs.set(run.slice(0, 7), run);
    // Ids are random, so two that begin alike are made by making many.
    while (twins === undefined) {
      const { run } = await made().admin.submitRun({ body: { agent: 'hello', input: { name: 'x' } } });
      const before = runs.get(run.slice(0, 7));
      if (before !== undefined) twins = [before, run];
      runs.set(run.slice(0, 7), run);
    }
    const several = await corral('why', twins[0].slice(0, 7));
    expect([several.code, several.err]).toEqual([
      2,
      expect.stringMatching(/Several runs have an id that begins with run_\w{3}: run_/) as string,
    ]);
    const none = await corral('kill', 'run_zzzzzzzzzzz', '-m', 'x');
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('There is no run whose id begins with run_zzzzzzzzzzz') as string]);
    expect((await corral('why', '@lats')).err).toContain('@last is the one that you submitted last');
  });

  test('is never somebody else’s when it is called @last', async () => {
    const mine = await hello();
    const { secret, submitRun } = await made().as('local', 'developer');
    const theirs = await submitRun({ body: { agent: 'hello', input: { name: 'Bo' } } });
    expect((await corral('show', '@last')).out).toContain(mine);
    const asThem = await command(['show', '@last', '--url', made().url, '--token', secret]);
    expect(asThem.out).toContain(theirs.run);
  });

  test('has short names in a folder on which no host runs, too', { tags: 'long' }, async () => {
    const f = await folder();
    const run = await counted(f);
    const last = await counted(f, 1);
    expect((await f.on('journal', run.slice(4, 12))).out).toContain(run);
    expect((await f.on('replay', '@last')).out).toContain(last);
  });
});

describe('corral wait', () => {
  test('ends with 0, 1 or 124: it completed, it ended otherwise, it had no time to', async () => {
    const run = await submitted('hello', { name: 'Ada' });
    const good = await corral('wait', run);
    expect([good.code, JSON.parse(good.out)]).toEqual([0, { greeting: 'Hello, Ada!' }]);
    const bad = await corral('wait', await submitted('thrower'));
    expect([bad.code, bad.out, bad.err]).toEqual([1, '', expect.stringContaining('failed(CORRAL_AGENT_THREW)') as string]);
    const sleeper = await submitted('sleeper');
    const late = await corral('wait', sleeper, '--timeout', '1ms');
    expect([late.code, late.err]).toEqual([124, expect.stringContaining('has not ended yet, and goes on') as string]);
    expect((await corral('wait', sleeper, '--timeout', '5 moons')).err).toContain('write a number and its unit');
    await corral('kill', sleeper, '-m', 'done with it');
    const done = await corral('operations', '--what', 'kill', '--on', sleeper, '--since', '1h', '--wide');
    expect(done.out.trimEnd().split('\n')).toEqual([expect.stringMatching(/^AT/), expect.stringContaining('done with it')]);
    expect((await corral('operations', '--on', sleeper, '--by', 'token:nobody', '--json')).out).toBe('[]\n');
    const misspelt = await corral('operations', '--what', 'pause,quarantin');
    expect([misspelt.code, misspelt.err]).toEqual([
      2,
      expect.stringContaining('--what knows no quarantin. Did you mean quarantine? It takes pause,') as string,
    ]);
    expect((await corral('config', 'history')).out).toMatch(/^VERSION +APPLIED +BY +WHY\nsha256:/);
  });

  test('that is interrupted says that the run goes on, and how to come back to it', async () => {
    const run = await submitted('sleeper');
    const { child, said, err } = start([...CORRAL, 'wait', run, '--data', made().data]);
    await until(() => err().includes(run), 'it waits');
    child.kill('SIGINT');
    expect((await said).code).toBe(130);
    expect(err()).toContain(`${run} goes on; \`corral wait ${run}\``);
    expect((await corral('show', run)).out).not.toContain('ended');
    await corral('kill', run, '-m', 'done with it');
  });
});

describe('corral ps', () => {
  const shown = async (columns: number, ...args: string[]) => {
    const line = `stty cols ${columns} rows 30; '${CORRAL.join("' '")}' ${args.join(' ')} --data '${made().data}'`;
    const env: NodeJS.ProcessEnv = { ...process.env, TERM: 'xterm' };
    for (const name of ['NO_COLOR', 'FORCE_COLOR', 'COLUMNS', 'CI']) delete env[name];
    const [program = '', ...rest] = inTerminal(line);
    const { stdout } = await execute(program, rest, { env });
    return stdout.replaceAll('\r', '').trimEnd();
  };

  test.skipIf(!HAS_TERMINALS)('says how old runs are, keeps rows within 80 columns, and names that begin alike apart', async () => {
    for (const end of ['one', 'two']) await submitted(`${LONG_NAME}/${end}`);
    const lines = (await shown(80, 'ps', '--search', 'looper')).split('\n');
    expect(lines[0]).toMatch(/^RUN +AGENT +STATE +AGE/);
    expect(lines).toHaveLength(3);
    // oxlint-disable-next-line no-control-regex -- colours take no room
    const bare = lines.map((line) => line.replaceAll(/\u001b\[[0-9;]*m/g, ''));
    expect(Math.max(...bare.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(bare.slice(1).map((line) => /looper\S+/.exec(line)?.[0])).toEqual([
      expect.stringMatching(/^looper.*….*\/two$/) as string,
      expect.stringMatching(/^looper.*….*\/one$/) as string,
    ]);
    expect(bare[1]).toMatch(/ \d+[smh] /);
  });

  test('colours states in a pipe only if FORCE_COLOR asks for it', async () => {
    await corral('wait', await submitted('thrower'));
    const args = ['ps', '--all', '--ended', 'failed', '--data', made().data];
    const plain = await command(args, undefined, { FORCE_COLOR: undefined, NO_COLOR: undefined });
    expect(plain.out).toContain('failed(CORRAL_AGENT_THREW)');
    expect(plain.out).not.toContain('\u001b');
    expect((await command(args, undefined, { FORCE_COLOR: '1' })).out).toContain('\u001b[31mfailed(CORRAL_AGENT_THREW)');
  });

  test.skipIf(!HAS_TERMINALS)('colours states in a terminal without being asked', async () => {
    await corral('wait', await submitted('thrower'));
    expect(await shown(200, 'ps', '--all', '--ended', 'failed')).toContain('\u001b[31mfailed(CORRAL_AGENT_THREW)');
  });

  test('gives only ids, JSON, or all columns', async () => {
    const run = await hello();
    const names = (await corral('ps', '--all', '--agent', 'hello', '-o', 'name', '-n', '1')).out;
    expect(names).toBe(`${run}\n`);
    expect(JSON.parse((await corral('ps', '--all', '-o', 'json', '-n', '1')).out)).toMatchObject({ items: [{ run }] });
    const wide = (await corral('ps', '--all', '--agent', 'hello', '-o', 'wide', '-n', '1')).out;
    expect(wide).toMatch(/TENANT +VERSION +SUBMITTED +ENDED/);
    expect(wide).toMatch(/sha256:[0-9a-f]{64}/);
    expect((await corral('ps', '-o', 'jsno')).err).toContain('Did you mean json?');
  });

  test('does not take a typing error for an empty list', async () => {
    expect(await corral('ps', '--agent', 'hlelo')).toMatchObject({
      code: 2,
      err: expect.stringContaining('Did you mean hello?') as string,
    });
    expect(await corral('ps', '--ended', 'complted')).toMatchObject({
      code: 2,
      err: expect.stringContaining('Did you mean completed?') as string,
    });
    expect(await corral('ps', '--limit', 'abc')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--limit takes a whole number') as string,
    });
    expect(await corral('kill', '--agent', 'nosuch', '-m', 'x')).toMatchObject({ code: 2 });
    expect(await corral('events', '--kinds', 'run.endde')).toMatchObject({
      code: 2,
      err: expect.stringContaining('Did you mean run.ended?') as string,
    });
    const empty = await corral('ps', '--agent', 'hello', '--paused');
    expect([empty.code, empty.err]).toEqual([0, 'no run that has not ended matches; --all looks at ended ones too\n']);
  });

  test('suggests the tool, and the key of a configuration, that was meant', async () => {
    const root = await shortFolder();
    const config = join(root, 'corral.config.ts');
    const { deploy } = await front({ files: { read: root } });
    await expect(deploy(`{ name: 'a', uses: { r: 'tool:fs.raed' }, run: () => 1 }`)).rejects.toThrow('Did you mean fs.read?');
    await writeFile(config, `export default { tenants: { crew: { polices: 'default' } } };`);
    const checked = await command(['config', 'check', config]);
    expect([checked.code, checked.err]).toEqual([2, expect.stringContaining('Did you mean policies?') as string]);
    await writeFile(config, `export default { tenant: {} };`);
    expect((await command(['config', 'check', config])).err).toContain('Did you mean tenants?');
  });

  test('takes the beginning of a version, as the lists print it', async () => {
    const [{ latest = '' } = {}] = (await made().admin.listAgents({ query: { q: 'hello' } })).items;
    const moved = await corral('alias', 'hello', 'canary', latest.slice(0, 19));
    expect([moved.code, moved.out]).toEqual([0, `hello@canary  ${latest}\n`]);
    expect((await corral('alias', 'hello', 'canary', 'sha256:000000000000')).err).toContain('hello has no version sha256:000000000000');
    for (const alias of ['latest', 'canary'])
      expect(await corral('alias', 'hello', 'next', alias)).toMatchObject({ code: 0, out: `hello@next  ${latest}\n` });
    const wrong = await corral('alias', 'hello', 'next', 'lastest');
    expect(wrong).toMatchObject({ code: 3, err: expect.stringMatching(/hello has no version lastest, and no alias .*latest, .*canary/) });
  });

  test('shows again what changed, while it watches', async () => {
    const { out } = start([...CORRAL, 'ps', '--watch', '--search', 'sleeper', '--data', made().data]);
    await until(() => out().includes('RUN'), 'the first list');
    const run = await submitted('sleeper');
    await until(() => out().includes(run), 'the list with the new run');
    await corral('kill', run, '-m', 'done with it');
    const last = () => out().split('RUN').at(-1) ?? '';
    await until(() => !last().includes(run), 'the list without it');
    expect(last()).toMatch(/^ +AGENT/);
  });
});

describe('corral approve', () => {
  test('records the reason that was given, and none where none was', { tags: 'long' }, async () => {
    const write = await shortFolder();
    const { data, deploy, admin, as, url } = await front({ configText: JSON.stringify({ policies: 'default', files: { write } }) });
    const writer = (name: string) =>
      `{ name: '${name}', uses: { write: 'tool:fs.write' }, run: ({ caps }) => caps.write({ path: 'a', text: 'x' }).then(() => 1, (e) => e.code) }`;
    const { secret } = await as('local', 'approver');
    const on = (...args: string[]) => command([...args, '--url', url, '--token', secret]);
    for (const [agent, more, says] of [
      ['w', [], /approved +by token:\w+, [\dT:-]{19}Z \(.*\)$/m],
      ['v', ['-m', 'a known folder'], /approved +by .*: a known folder$/m],
    ] as const) {
      await deploy(writer(agent));
      const { run } = await admin.submitRun({ body: { agent } });
      await until(async () => (await admin.listApprovals({})).items.some((one) => one.run === run), 'it waits for people');
      // The submitter is told who decides; an approver, by which command.
      const own = await admin.whyRun({ params: { run } });
      expect(own.next).toEqual([expect.stringMatching(/^Call 1 to fs\.write is for .*since you are behind its run\.$/u)]);
      expect((await on('why', run)).out).toContain(`corral deny ${run} 1 -m WHY`);
      // Its number is not needed, since no other call waits.
      expect(await on('approve', run, ...more)).toMatchObject({ code: 0, out: expect.stringContaining('call 1  approved') as string });
      expect((await on('approve', run)).err).toContain(`No call of ${run} waits for people.`);
      await command(['wait', run, '--data', data]);
      expect((await command(['why', run, '--data', data])).out).toMatch(says);
    }
  });

  test('of many approves what was shown, and nothing that came since', { tags: 'long' }, async () => {
    const write = await shortFolder();
    const { deploy, admin, as, url } = await front({ configText: JSON.stringify({ policies: 'default', files: { write } }) });
    const { secret } = await as('local', 'approver');
    const on = (...args: string[]) => command(['approve', '--all', ...args, '--url', url, '--token', secret]);
    const asks = async (agent: string, waiting: number) => {
      await deploy(
        `{ name: '${agent}', uses: { write: 'tool:fs.write' }, run: ({ caps }) => caps.write({ path: '${agent}.txt', text: 'x' }) }`,
      );
      const { run } = await admin.submitRun({ body: { agent } });
      await until(async () => (await admin.listApprovals({})).items.length === waiting, `${waiting} calls wait`);
      return run;
    };
    const first = await asks('one', 1);
    const second = await asks('two', 2);
    expect(await on()).toMatchObject({ code: 2, err: expect.stringContaining('Give a reason') as string });
    expect(await on('-m', 'known')).toMatchObject({ code: 2, err: expect.stringContaining('--dry-run') as string });
    const shown = async () => {
      const { out } = await on('-m', 'known', '--dry-run');
      return [out, /--shown (\w+)/.exec(out)?.[1] ?? ''] as const;
    };
    const [out, what] = await shown();
    for (const said of [first, second, 'one.txt', 'two.txt', 'these 2 calls']) expect(out).toContain(said);
    await asks('three', 3);
    expect(await on('-m', 'known', '--shown', what)).toMatchObject({
      code: 2,
      err: expect.stringContaining('Other calls wait now') as string,
    });
    expect((await admin.listApprovals({})).items).toHaveLength(3);
    const only = [{ run: first, call: 1 }];
    const approver = await as('local', 'approver');
    const { done } = await approver.settleMany({ body: { act: 'approve', where: {}, reason: 'this one', only } });
    expect(done).toMatchObject(only);
    const [, rest] = await shown();
    expect((await on('-m', 'known', '--shown', rest)).code).toBe(0);
    expect((await admin.listApprovals({})).items).toEqual([]);
  });
});

describe('the help', () => {
  test('groups the commands, has examples, and knows the version', async () => {
    const { out } = await command(['--help']);
    for (const title of ['Write an agent:', 'Runs:', 'Stop and settle:', 'Examples:', 'Exit codes:']) expect(out).toContain(title);
    expect(out).not.toMatch(/^Others:/m);
    for (const flag of ['--version', '-v'])
      expect(await command([flag])).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string });
  });

  test('of a command that is used wrongly is the help of that command', async () => {
    expect((await command(['rollback', 'hello'])).err).toContain('(see corral rollback --help)');
    expect((await command(['rollback', '--help'])).out).toMatch(/--reason <text> +why \(required\)/);
    expect((await command(['token', 'create'])).err).toContain('(see corral token create --help)');
    expect((await command(['help', 'token', 'create'])).out).toContain('Usage: corral token create');
    expect(await command(['help', 'sumbit'])).toMatchObject({ code: 2, err: expect.stringContaining('Did you mean submit?') as string });
  });
});

test('words of an agent do not steer the terminal of who submits to it', { tags: 'long' }, async () => {
  await made().deploy(`import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';
export default defineAgent({ name: 'rude', purpose: '', input: z.object({ name: z.string('no \\u001b[2J\\u009b2J') }), output: z.string(),
  run: ({ input }) => 'gone\\u009b2J\\u202e' + input.name });`);
  const refused = await corral('submit', 'rude', '--input', '{"name":7}');
  expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(/CORRAL_INPUT_INVALID.*no/u) as string });
  const ended = await corral('submit', 'rude', '--input', '{"name":"x"}', '--wait');
  const listed = await corral('wait', '@last', '--json');
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  for (const { out, err } of [refused, ended, listed]) expect(out + err).not.toMatch(/[\u001b\u0080-\u009f\u202e]/u);
  expect(JSON.parse(ended.out)).toBe('gone\u009b2J\u202ex');
});

describe('completion', () => {
  const completed = async (...words: string[]) =>
    (await command(['complete', '--', ...words], undefined, { CORRAL_DATA: made().data })).out.trimEnd().split('\n');
  const values = async (...words: string[]) => (await completed(...words)).map((line) => line.split('\t')[0]);

  test('knows runs, agents and aliases of the host', { tags: 'long' }, async () => {
    const run = await hello();
    expect(await values('why', '')).toEqual(expect.arrayContaining(['@last', run]));
    expect(await values('why', run.slice(0, 12))).toEqual([run]);
    expect(await values('why', run.slice(4, 12))).toEqual([run.slice(4)]);
    expect(await values('kill', '')).not.toContain(run);
    expect(await values('submit', 'he')).toEqual(['hello']);
    expect(await values('submit', 'hello@p')).toEqual(['hello@prod']);
    expect(await values('rollback', 'hello', '--alias', 'p')).toEqual(['prod']);
    expect(await values('ps', '--agent', 'thr')).toEqual(['thrower']);
    expect(await values('deploy', '')).toEqual([':files']);
    expect(await values('ps', '--wat')).toEqual(['--watch']);
    expect(await values('token', 'cr')).toEqual(['create']);
  });

  test('puts nothing on a line that an author wrote about an agent', async () => {
    const purpose = 'Greets.\\nnoted;$(id)\\t\\u001b[2J';
    await made().deploy(`{ name: 'noted', purpose: '${purpose}', run() {} }`);
    expect(await completed('submit', 'not')).toEqual(['noted\tGreets. noted;$(id)  [2J']);
  });

  /** A folder with the command and the completion of a shell; runs a program of that shell in it. */
  async function inShell(shell: 'bash' | 'zsh' | 'fish') {
    const home = await shortFolder();
    await writeFile(join(home, 'corral'), `#!/bin/sh\nexec '${CORRAL.join("' '")}' "$@"\n`, { mode: 0o755 });
    const { out: script } = await command(['completion', shell]);
    await writeFile(join(home, `completion.${shell}`), script);
    const env = { ...process.env, HOME: home, PATH: `${home}:${process.env['PATH'] ?? ''}`, CORRAL_DATA: made().data };
    return async (program: string) => {
      const args = shell === 'zsh' ? ['-fc', program] : shell === 'fish' ? ['-N', '-c', program] : ['-c', program];
      return (await execute(shell, args, { cwd: home, env })).stdout.trimEnd().split('\n');
    };
  }

  test('of bash completes the words of a line', async () => {
    const run = await hello();
    const shell = await inShell('bash');
    const of = (line: string) =>
      shell(`source completion.bash; COMP_LINE='${line}' COMP_POINT=${line.length}; _corral; printf '%s\\n' "\${COMPREPLY[@]}"`);
    expect(await of('corral rol')).toEqual(['rollback']);
    expect(await of(`corral why ${run.slice(0, 13)}`)).toEqual([run]);
    // Bash has taken "hello@" for a word of its own.
    expect(await of('corral submit hello@p')).toEqual(['prod']);
    expect(await of('corral deploy comp')).toEqual(['completion.bash']);
    expect(await of('corral submit hello --wa')).toEqual(['--wait']);
  });

  const has = (shell: string) =>
    ['/bin', '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'].some((folder) => existsSync(join(folder, shell)));

  test.skipIf(!has('fish'))('of fish completes the words of a line', async () => {
    const run = await hello();
    const shell = await inShell('fish');
    const of = async (line: string) => (await shell(`source completion.fish; complete -C '${line}'`)).map((found) => found.split('\t')[0]);
    expect(await of('corral rol')).toEqual(['rollback']);
    expect(await of(`corral why ${run.slice(0, 13)}`)).toEqual([run]);
    expect(await of('corral submit hello@p')).toEqual(['hello@prod']);
    expect(await of('corral deploy comp')).toEqual(['completion.fish']);
    expect(await of('corral submit hello --wa')).toContain('--wait');
  });

  test.skipIf(!has('zsh'))('of zsh completes the words of a line', async () => {
    const run = await hello();
    const shell = await inShell('zsh');
    // The functions of zsh that add a match print it.
    const stubs = `compdef() {}; compadd() { print -rl -- "\${@:2}" }; _files() { print files }; _describe() { print commands }`;
    const of = (...words: string[]) => {
      const line = words.map((word) => `'${word}'`).join(' ');
      return shell(`${stubs}; source ./completion.zsh; words=(${line}); CURRENT=${words.length}; _corral`);
    };
    expect(await of('corral', 'rol')).toEqual(['commands']);
    expect(await of('corral', 'why', run.slice(0, 13))).toEqual([run]);
    expect(await of('corral', 'submit', 'hello@p')).toEqual(['hello@prod']);
    expect(await of('corral', 'deploy', '')).toEqual(['files']);
    expect(await of('corral', 'submit', 'hello', '--wa')).toEqual(['--wait']);
  });
});
