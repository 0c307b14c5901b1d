/** `corral` as an operator and an author meet it: real processes, real signals. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesOf } from 'create-corral/templates';
import { describe, expect, test } from 'vitest';
import { CORRAL, FROM_SOURCES, start } from '../command.ts';
import { shortFolder } from '../front.ts';
import { until } from '../until.ts';

const AGENT = `import { defineAgent } from '@corral/guest';
export default defineAgent({ name: 'a', async run({ input, sleep, log }) { log('on it'); if (input.sleep) await sleep(input.sleep); if (input.fail) throw new Error('no'); return { got: input }; } });`;

const started = (args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}) => start([...CORRAL, ...args], { cwd, env });

async function up(folder: string, ...more: string[]) {
  const { child, said, err } = started(['up', '--data', join(folder, 'd'), '--port', '0', '--json', ...more], folder);
  const line = await Promise.race([
    new Promise<string>((resolve) => child.stdout?.once('data', (text: Buffer) => resolve(text.toString()))),
    said.then(({ err }) => Promise.reject(new Error(err))),
  ]);
  const told = JSON.parse(line) as { url: string; recovered: number; socket: string };
  const corral = (...args: string[]) => started(args, folder, { CORRAL_DATA: join(folder, 'd') }).said;
  return { child, said, told, corral, err };
}

async function withAgent(): Promise<string> {
  const folder = await shortFolder();
  await writeFile(join(folder, 'agent.ts'), AGENT);
  return folder;
}

describe('corral up', () => {
  test('takes an agent and its jobs, answers with exit codes that scripts can go by', async () => {
    const folder = await withAgent();
    const { corral } = await up(folder);
    expect((await corral('deploy', 'agent.ts', '--alias', 'prod')).code).toBe(0);
    const good = await corral('submit', 'a@prod', '--input', '{"x":1}', '--wait');
    expect([good.code, JSON.parse(good.out)]).toEqual([0, { got: { x: 1 } }]);
    expect(good.err).toMatch(/^run_\w+\n/);
    const bad = await corral('submit', 'a', '--input', '{"fail":true}', '--wait');
    expect(bad.code).toBe(1);
    expect(bad.err).toContain('agent.ts:2:');
    expect((await corral('submit', 'nobody')).code).toBe(2);
    expect((await corral('submit', 'a', '--token', 'wrong')).code).toBe(2);
    expect((await corral('ps', '--data', join(folder, 'nowhere'))).code).toBe(3);
    const run = (await corral('submit', 'a', '--input', '{"sleep":60000}')).out.trim();
    expect((await corral('why', run)).out).toMatch(/waits for timer|queued|running/);
    expect((await corral('kill', '--agent', 'a', '-m', 'enough')).out).toContain(run);
    const ended = JSON.parse((await corral('show', run, '--json')).out) as { outcome: unknown };
    expect(ended.outcome).toMatchObject({ kind: 'killed', reason: 'enough' });
    expect((await corral('logs', run)).out).toContain('on it');
  });

  test('goes down in order on a first signal and leaves its runs to the next start', { tags: 'long' }, async () => {
    const folder = await withAgent();
    const first = await up(folder);
    await first.corral('deploy', 'agent.ts');
    const run = (await first.corral('submit', 'a', '--input', '{"sleep":600000}')).out.trim();
    first.child.kill('SIGTERM');
    const { code, err } = await first.said;
    expect(code).toBe(0);
    expect(err).toContain('no new work');
    expect(existsSync(first.told.socket)).toBe(false);
    const second = await up(folder);
    expect(second.told.recovered).toBe(1);
    expect((await second.corral('ps')).out).toContain(run);
  });

  test('goes at once on a second signal', { tags: 'long' }, async () => {
    const folder = await withAgent();
    const { child, said, told, corral, err } = await up(folder, '--drain', '600000');
    await corral('deploy', 'agent.ts');
    const run = (await corral('submit', 'a', '--input', '{"sleep":600000}')).out.trim();
    // Somebody who never finishes asking keeps the first one waiting.
    const { connect } = await import('node:net');
    const slow = connect(Number(new URL(told.url).port), '127.0.0.1');
    slow.on('error', () => undefined);
    await new Promise((resolve) => slow.write(`GET /v1/runs/${run}?wait_ms=60000 HTTP/1.1\r\nHost: 127.0.0.1\r\n`, resolve));
    child.kill('SIGTERM');
    await until(() => err().includes('SIGTERM: no new work'), 'the host has taken the first signal');
    child.kill('SIGTERM');
    const { code } = await said;
    expect([0, 143]).toContain(code);
    slow.destroy();
  });

  test('that was killed makes no second run of a job that is sent again under its key', { tags: 'long' }, async () => {
    const folder = await withAgent();
    const first = await up(folder);
    await first.corral('deploy', 'agent.ts');
    const job = ['submit', 'a', '--key', 'order-7', '--input', '{"sleep":600000}'];
    const before = (await first.corral(...job)).out.trim();
    first.child.kill('SIGKILL');
    await first.said;
    const second = await up(folder);
    expect((await second.corral(...job)).out.trim()).toBe(before);
    const { items } = JSON.parse((await second.corral('ps', '--all', '--json')).out) as { items: { run: string }[] };
    expect(items.map(({ run }) => run)).toEqual([before]);
  });
});

describe('a developer’s first hour', () => {
  // In a clone, init links the packages, which are nowhere else.
  const cloned = (args: readonly string[], cwd: string) => start([...FROM_SOURCES, ...args], { cwd });

  test('init gives an agent whose test passes', async () => {
    const folder = await shortFolder();
    const made = await cloned(['init', 'first'], folder).said;
    expect(made.code).toBe(0);
    const home = join(folder, 'first');
    const tested = await cloned(['test'], home).said;
    expect(tested.code).toBe(0);
    expect(tested.out).toMatch(/pass 2/);
  });

  test('dev shows what the agent of init does, and its types know its tools', { tags: 'long' }, async () => {
    const folder = await shortFolder();
    expect((await cloned(['init', 'first'], folder).said).code).toBe(0);
    const home = join(folder, 'first');
    const dev = ['dev', 'agents/buyer.ts', '--config', 'corral.config.ts', '--input', '@agents/order.json', '--real'];
    const { code, out, err } = await cloned(dev, home).said;
    expect([code, JSON.parse(out)]).toEqual([0, { order: expect.stringMatching(/^order run_/) as string, amount: 80 }]);
    expect(err).toContain('shop.price {"item":"lamp"}');
    expect((await cloned(['init', 'first'], folder).said).code).toBe(2);
    // A tool that corral-env.d.ts does not name is an error of types.
    const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
    const types = () => spawnSync(process.execPath, [tsc, '-p', 'agents'], { cwd: home, encoding: 'utf8' });
    expect(types()).toMatchObject({ status: 0, stdout: '' });
    const buyer = await readFile(join(home, 'agents/buyer.ts'), 'utf8');
    await writeFile(join(home, 'agents/buyer.ts'), buyer.replace("'tool:shop.order'", "'tool:shop.ordr'"));
    expect(types().stdout).toMatch(/buyer\.ts\(\d+,\d+\): error .*"tool:shop\.ordr"' is not assignable.*"tool:shop\.order"/u);
    await writeFile(join(home, 'agents/buyer.ts'), buyer);
    // Beside the configuration, wherever it is called from: init wrote the same.
    const typed = await cloned(['types', '--config', 'first/corral.config.ts'], folder).said;
    expect(typed).toMatchObject({ code: 0, out: 'first/agents/corral-env.d.ts  2 tools\n' });
    expect(existsSync(join(folder, 'corral-env.d.ts'))).toBe(false);
    expect(await readFile(join(home, 'agents/corral-env.d.ts'), 'utf8')).toBe(filesOf({ config: '' })['agents/corral-env.d.ts']);
    expect((await cloned(['config', 'check'], home).said).out).toContain('local: shop.price, shop.order; policies sha256:');
  });

  test('the tests of a folder are those for node:test, and where there are none it is said', async () => {
    const folder = await shortFolder();
    await writeFile(join(folder, 'other.test.ts'), "import { test } from 'vitest';\ntest('of another runner', () => undefined);\n");
    const none = await started(['test'], folder).said;
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('There are no tests of agents here')]);
    await mkdir(join(folder, 'below'));
    await writeFile(join(folder, 'below', 'own.test.ts'), "import { test } from 'node:test';\ntest('of this one', () => undefined);\n");
    const cache = join(folder, 'cache');
    const own = await started(['test'], folder, { NODE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: cache }).said;
    // Files of tests share what was compiled for one of them.
    expect(existsSync(join(cache, 'corral'))).toBe(true);
    expect([own.code, own.out]).toEqual([0, expect.stringMatching(/of this one[\s\S]*tests 1\b/)]);
  });

  test('dev runs an agent again when it was saved, and names the author’s own line when it throws', async () => {
    const folder = await withAgent();
    const { child } = started(['dev', 'agent.ts', '--watch'], folder);
    let err = '';
    child.stderr?.on('data', (text: Buffer) => (err += text.toString()));
    const says = async (text: string) => {
      await until(() => err.includes(text));
    };
    await says('waiting for a save');
    expect(err).toContain('completed');
    err = '';
    await writeFile(join(folder, 'agent.ts'), AGENT.replace("log('on it');", "log('again');\nthrow new Error('here');"));
    await says('waiting for a save');
    expect(err).toContain('log info  again');
    expect(err).toContain('agent.ts:3:7');
  });
});

test.each(['bash', 'zsh', 'fish'])('there is completion for %s, with every command in it', async (shell) => {
  const { code, out } = await started(['completion', shell], await shortFolder()).said;
  expect(code).toBe(0);
  for (const word of ['deploy', 'submit', 'schedule', 'kill']) expect(out).toContain(word);
});
