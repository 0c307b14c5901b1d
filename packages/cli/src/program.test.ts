import { Command } from 'commander';
import { filesOf } from 'create-corral/templates';
import { expect, test } from 'vitest';
import { OTHERS, SUMMARIES, summariesOf } from './help.ts';
import { createProgram, GROUPS } from './program.ts';

const names = (program: Command) => program.commands.map((command) => command.name());

test.each(GROUPS)('the group of $names.0 gives the commands that it names', async ({ names: named, load }) => {
  const program = new Command();
  (await load())(program);
  expect(names(program)).toEqual(named);
});

test('one command is loaded with its group alone, and completions have all', async () => {
  const all = [...GROUPS.flatMap((group) => group.names), 'help'].sort();
  expect(names(await createProgram(['ps', '--all']))).toContain('ps');
  expect(names(await createProgram(['ps', '--all']))).not.toContain('deploy');
  expect(names(await createProgram(['help', 'ps']))).toEqual(['ps', 'help']);
  for (const argv of [undefined, ['completion', 'bash']]) expect(names(await createProgram(argv)).sort()).toEqual(all);
});

test('the help says the same with the commands as without them, and loads none', async () => {
  const program = await createProgram();
  expect(SUMMARIES).toEqual(summariesOf(program));
  for (const argv of [[], ['--help'], ['help'], ['wy']]) {
    const named = await createProgram(argv);
    expect(named.helpInformation()).toBe(program.helpInformation());
    expect(named.commands.find((command) => command.name() === 'submit')?.options).toEqual([]);
  }
});

test('every command has its place in the help', async () => {
  const { commands } = await createProgram();
  const others = commands.filter((command) => command.helpGroup() === `${OTHERS}:` && command.name() !== 'complete');
  expect(names({ commands: others } as unknown as Command)).toEqual([]);
});

test('the examples of the help name files that init writes', async () => {
  const program = await createProgram([]);
  let text = '';
  program.configureOutput({ writeOut: (part) => (text += part) });
  program.outputHelp();
  const named = [...text.matchAll(/[\w/-]+\.(?:ts|json)\b/g)].map(([file]) => file);
  expect(named).toContain('agents/buyer.ts');
  expect(Object.keys(filesOf({ config: 'corral.config.ts' }))).toEqual(expect.arrayContaining(named));
});
