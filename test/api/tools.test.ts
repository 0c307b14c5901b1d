/** The code of a configuration, as a host lives with it: whatever it does, and whatever becomes of its file. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '@corral/server/config/load';
import { front, shortFolder } from '../front.ts';
import { linkPackages } from '../project.ts';
import { until } from '../until.ts';

/** A folder with packages in it, as somebody's project has one. */
async function project(): Promise<string> {
  const folder = await shortFolder();
  await linkPackages(folder);
  return folder;
}

async function written(folder: string, tools: string, more = ''): Promise<string> {
  const file = join(folder, 'corral.config.ts');
  await writeFile(
    file,
    `import { defineConfig, tool, ToolError } from '@corral/server/config';
import * as z from 'zod';
const READ = { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' } as const;
export default defineConfig({
  tools: [${tools}],
  ${more}
});
`,
  );
  return file;
}

const ODD = `tool({ name: 'odd', description: 'odd', input: z.object({ how: z.string() }), output: z.unknown(), annotations: READ, run: async ({ how }) => {
    if (how === 'late') { setTimeout(() => { throw new Error('a library threw later'); }, 5); return 'ok'; }
    if (how === 'dies') process.kill(process.pid, 'SIGKILL');
    if (how === 'throws') throw new Error('secret inside');
    if (how === 'waits') { await new Promise((resolve) => setTimeout(resolve, 1500)); return 'first'; }
    return 'here';
  } })`;
const AGENT = `{ name: 'a', uses: { odd: 'tool:odd' }, run: ({ input, caps }) => caps.odd({ how: input.how }, { retry: { attempts: 1 } }).catch((error) => [error.code, error.message]) }`;

const SECRETIVE = `tool({ name: 'odd', description: 'odd', input: z.object({ how: z.string() }), output: z.unknown(), annotations: READ,
    run: async ({ how }, { secret }) => (await secret(how)).length })`;

async function outcomeOf(f: Awaited<ReturnType<typeof front>>, how: string) {
  const { run } = await f.admin.submitRun({ body: { agent: 'a', input: { how } } });
  await until(async () => (await f.admin.showRun({ params: { run } })).outcome !== null);
  const { outcome } = await f.admin.showRun({ params: { run } });
  return { run, output: (outcome as { output?: unknown } | null)?.output };
}

describe('tools of a configuration', () => {
  test('get a secret in their call; one that is missing names the variable and the line, for operators', async () => {
    const secrets = `secrets: { here: { env: 'SHOP_KEY' }, gone: { env: 'NO_SUCH_KEY' } }`;
    const f = await front({ config: await written(await project(), SECRETIVE, secrets), env: { ...process.env, SHOP_KEY: 'four plus' } });
    await f.deploy(AGENT);
    expect((await outcomeOf(f, 'here')).output).toBe(9);
    const { run, output } = await outcomeOf(f, 'gone');
    expect(output).toEqual(['CORRAL_TOOL_FAILED', 'odd failed.']);
    const { items } = await f.admin.runCalls({ params: { run } });
    expect(items[0]?.error?.detail).toMatch(/The secret gone refers to \$NO_SUCH_KEY, which is not set\.\n[^]*corral\.config\.ts:\d+/u);
    const { run: unnamed } = await outcomeOf(f, 'other');
    expect((await f.admin.runCalls({ params: { run: unnamed } })).items[0]?.error?.detail).toContain('names no secret other');
  });

  test('may throw, die and fail: the host lives, calls fail, and operators read why', async () => {
    const lines: unknown[] = [];
    const log = (...said: unknown[]) => void lines.push(said);
    const logger = {
      trace: log,
      debug: log,
      info: log,
      warn: log,
      error: log,
      fatal: log,
      level: 'warn',
      silent: log,
      child: () => logger,
    };
    const f = await front({ config: await written(await project(), ODD), logger });
    await f.deploy(AGENT);
    expect((await outcomeOf(f, 'late')).output).toBe('ok');
    await until(async () => JSON.stringify(lines).includes('a library threw later'));
    expect((await outcomeOf(f, 'dies')).output).toMatchObject(['CORRAL_TOOL_FAILED', 'The process of odd was lost while it ran.']);
    const { run, output } = await outcomeOf(f, 'throws');
    expect(output).toEqual(['CORRAL_TOOL_FAILED', 'odd failed.']);
    const { items } = await f.admin.runCalls({ params: { run } });
    expect(items[0]?.error).toMatchObject({
      message: 'odd failed.',
      detail: expect.stringMatching(/secret inside\n.*corral\.config\.ts:\d+/),
    });
    expect((await f.admin.whyRun({ params: { run } })).because.join('\n')).toContain('secret inside');
    expect(JSON.stringify(lines)).toContain('secret inside');
    expect((await outcomeOf(f, 'well')).output).toBe('here');
  });

  test('are exchanged on apply: a call under way keeps the tool that it went to', async () => {
    const folder = await project();
    const f = await front({ config: await written(folder, ODD) });
    await f.deploy(AGENT);
    const going = outcomeOf(f, 'waits');
    await until(async () => (await f.admin.listRuns({ query: {} })).items.some((one) => one.waiting === 'call'));
    await written(folder, ODD.replace("'here'", "'there'").replace("description: 'odd'", "description: 'odder'"));
    const { changes } = await f.admin.applyConfig({});
    expect(changes).toEqual([{ path: 'tools.odd.description', now: 'odd', next: 'odder' }]);
    expect((await outcomeOf(f, 'well')).output).toBe('there');
    expect((await going).output).toBe('first');
  });

  test('of the last good configuration start a host whose file is broken, and it says so', { tags: 'long' }, async () => {
    const folder = await project();
    await writeFile(join(folder, 'word.ts'), `export const WORD: string = 'imported';`);
    const tools = `tool({ name: 'odd', description: 'odd', input: z.object({ how: z.string() }), output: z.unknown(), annotations: READ, run: () => WORD })`;
    const config = await written(folder, tools);
    const whole = `import { WORD } from './word.ts';\n`;
    const { readFile } = await import('node:fs/promises');
    await writeFile(config, whole + (await readFile(config, 'utf8')));
    const first = await front({ config });
    await first.deploy(AGENT);
    const { data } = first;
    await first.host.close(2_000);
    await writeFile(config, 'export default {{');
    await writeFile(join(folder, 'word.ts'), 'nothing of the kind');
    const again = await front({ config, data });
    expect((await outcomeOf(again, 'x')).output).toBe('imported');
    expect(await again.admin.ready({})).toMatchObject({ ready: true, config_refused: true });
    expect((await again.admin.showConfig({})).refused).toContain('corral.config.ts');
    await expect(again.admin.applyConfig({})).rejects.toMatchObject({ code: 'CORRAL_CONFIG_INVALID' });
    await writeFile(join(folder, 'word.ts'), `export const WORD: string = 'mended';`);
    await written(folder, tools.replace('WORD', "'mended'"));
    await again.admin.applyConfig({});
    expect(await again.admin.ready({})).toMatchObject({ config_refused: false });
    expect((await outcomeOf(again, 'x')).output).toBe('mended');
  });

  test('that a broken file would offer keep a new host from starting', async () => {
    const folder = await project();
    const config = join(folder, 'corral.config.ts');
    await writeFile(config, 'export default {{');
    await expect(front({ config })).rejects.toMatchObject({ code: 'CORRAL_CONFIG_INVALID' });
  });
});

describe('a configuration is checked whole', () => {
  const PAY = (annotations: string, input = 'z.object({ to: z.string(), amount: z.number(), where: z.object({ city: z.string() }) })') =>
    `tool({ name: 'pay', description: '', input: ${input}, output: z.unknown(), annotations: { ${annotations} }, run: () => 1 })`;
  const TOOL = (input: string, output = 'z.unknown()') =>
    `tool({ name: 'odd.tool', description: '', input: ${input}, output: ${output}, run: () => 1 })`;
  const MAY_BE_LEFT_OUT =
    /argument amount of pay, which its annotation money names, may be left out, .* no budget and no rule knows; make it required/;
  const refused: readonly (readonly [string, string, string, RegExp])[] = [
    ['money', PAY("money: 'amout'"), '', /pay has no argument amout, which its annotation money names; did you mean amount\?/],
    [
      'destinations',
      PAY("destinations: ['too']"),
      '',
      /pay has no argument too, which its annotation destinations names; did you mean to\?/,
    ],
    ['costs', PAY("costs: { tokens: 'most' }"), '', /pay has no argument most, which its annotation costs\.tokens names/],
    ['a deep argument', PAY("destinations: ['where.town']"), '', /pay has no argument where\.town/],
    // Bug optional-amount: a call without it moved money that no budget and no rule knew.
    ...[
      'z.object({ amount: z.number().optional() })',
      'z.object({ amount: z.number().nullable() })',
      'z.object({ amount: z.unknown() })',
      'z.union([z.object({ amount: z.number() }), z.object({ other: z.string() })])',
      'z.record(z.string(), z.number())',
      'z.looseObject({})',
      'z.unknown()',
    ].map((input) => [`money that may be left out of ${input}`, PAY("money: 'amount'", input), '', MAY_BE_LEFT_OUT] as const),
    [
      'the annotations of the file, for money that may be left out',
      PAY('', 'z.object({ amount: z.number().optional() })'),
      "annotations: { pay: { money: 'amount' } },",
      MAY_BE_LEFT_OUT,
    ],
    [
      'costs that may be left out',
      PAY("costs: { tokens: 'deep.most' }", 'z.object({ deep: z.object({ most: z.int() }).optional() })'),
      '',
      /argument deep\.most of pay, which its annotation costs\.tokens names, may be left out, and a call without it would be refused each time/,
    ],
    [
      'costs in a text',
      PAY("costs: { tokens: 'to' }"),
      '',
      /argument to of pay, which its annotation costs\.tokens names, is not a number/,
    ],
    ['money in an object', PAY("money: 'where'"), '', /where of pay, which its annotation money names, is not a number/],
    ['the annotations of the file', PAY(''), "annotations: { pay: { money: 'amout' } },", /pay has no argument amout/],
    ['an unknown annotation', PAY("moeny: 'amount'"), '', /tool pay: annotations: .*moeny/],
    [
      'a tool that is not there',
      PAY(''),
      "annotations: { pai: { returns: 'trusted' } },",
      /annotations: there is no tool pai; did you mean pay\? \(line \d+\)/,
    ],
    [
      'a secret that is not there',
      '',
      "secrets: { token: { file: '/nowhere/at/all' } },",
      /secrets\.token: .*\/nowhere\/at\/all, which cannot be read.* \(line 6\)/,
    ],
    ['a wrong value', '', "tenants: { lab: { queue: 'many' } },", /tenants\.lab\.queue: .*expected number.* \(line 6\)/],
    [
      'a tenant of a webhook',
      '',
      "tenants: { lab: {} }, secrets: { s: { env: 'PATH' } }, webhooks: [{ url: 'https://x.example', secret: 's', tenant: 'lap' }],",
      /there is no tenant lap; did you mean lab\?/,
    ],
    ['what is not a schema', TOOL("{ type: 'object' } as never"), '', /tool odd\.tool: input: it is not a schema/],
    ['nothing for a schema', TOOL('undefined as never'), '', /tool odd\.tool: input: it is not a schema/],
    ['what is not an output schema', TOOL('z.unknown()', "'text' as never"), '', /tool odd\.tool: output: it is not a schema/],
    [
      'a default that throws',
      TOOL("z.object({ n: z.number().default(() => { throw new Error('no default today'); }) })"),
      '',
      /tool odd\.tool: input: no default today/,
    ],
    ['two of one name', `${TOOL('z.unknown()')}, ${TOOL('z.unknown()')}`, '', /two tools are called odd\.tool/],
    ['what is not a tool', "'odd' as never", '', /number 1 is not a tool/],
    ['an exception', "(() => { throw new Error('boom at load'); })()", '', /boom at load \(.*corral\.config\.ts:5\)/],
    ['a syntax error', 'tool({', '', /could not be loaded: .* \(.*corral\.config\.ts:\d+\)/],
  ];
  test.each(refused)('%s', async (_, tools, more, message) => {
    const file = await written(await project(), tools, more);
    await expect(loadConfig(file, process.env, { secrets: 'refused' })).rejects.toThrow(message);
  });

  test.each([
    ['no default export', 'export const x = 1;', /has no default export/],
    ['another kind of export', 'export default 5;', /its default export is not an object but a number/],
    ['an import that is not there', "import './missing.ts';\nexport default {};", /missing\.ts/],
  ])('%s', async (_, text, message) => {
    const folder = await project();
    await writeFile(join(folder, 'corral.config.ts'), text);
    await expect(loadConfig(join(folder, 'corral.config.ts'), process.env)).rejects.toThrow(message);
  });

  test('arguments that are there are accepted, in unions, records and references too', { tags: 'long' }, async () => {
    const folder = await project();
    for (const [annotations, input] of [
      ["money: 'amount', destinations: ['to', 'where.city']", undefined],
      ["money: 'sum'", 'z.object({ sum: z.string() })'],
      ["money: 'sum'", 'z.union([z.object({ sum: z.number() }), z.object({ sum: z.string(), other: z.string() })])'],
      ["money: 'sum'", 'z.object({ sum: z.number().default(5) })'],
      ["money: 'sum'", 'z.object({ to: z.string() }).and(z.looseObject({ sum: z.union([z.number(), z.literal("1")]) }))'],
      ["destinations: ['to']", 'z.record(z.string(), z.number())'],
      ["destinations: ['to']", 'z.unknown()'],
      ["destinations: ['to']", 'z.object({ to: z.string().optional() })'],
      ["costs: { tokens: 'deep.most' }", 'z.object({ deep: z.object({ most: z.int().default(10) }) })'],
    ] as const) {
      const file = await written(folder, PAY(annotations, input));
      const loaded = await loadConfig(file, process.env);
      expect(loaded.tenants['local']?.tools.map(({ name }) => name)).toEqual(['pay', 'owner.ask']);
      await loaded.close(0);
    }
  });

  test('a tenant that has work is not removed in silence', async () => {
    const folder = await shortFolder();
    await mkdir(folder, { recursive: true });
    const config = join(folder, 'corral.config.json');
    await writeFile(config, JSON.stringify({ tenants: { local: {}, lab: {} } }));
    const f = await front({ config });
    await f.deploy(`{ name: 'sleeper', run: async ({ sleep }) => { await sleep(3600000); } }`, { tenant: 'lab' });
    await f.admin.submitRun({ body: { agent: 'sleeper', tenant: 'lab' } });
    await writeFile(config, JSON.stringify({ tenants: { local: {} } }));
    expect((await f.admin.checkConfig({})).notes.join()).toContain('tenants.lab is removed and has 1 run that has not ended');
  });
});
