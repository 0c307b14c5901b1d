import { Command } from 'commander';
import { expect, test } from 'vitest';
import { OTHERS } from './help.ts';
import { createProgram, GROUPS } from './program.ts';

const names = (program: Command) => program.commands.map((command) => command.name());

test.each(GROUPS)('the group of $names.0 gives the commands that it names', async ({ names: named, load }) => {
  const program = new Command();
  (await load())(program);
  expect(names(program)).toEqual(named);
});

test('one command is loaded with its group alone; help and completions have all', async () => {
  const all = [...GROUPS.flatMap((group) => group.names), 'help'].sort();
  expect(names(await createProgram(['ps', '--all']))).toContain('ps');
  expect(names(await createProgram(['ps', '--all']))).not.toContain('deploy');
  for (const argv of [[], ['--help'], ['completion', 'bash'], ['wy']]) expect(names(await createProgram(argv)).sort()).toEqual(all);
});

test('every command has its place in the help', async () => {
  const { commands } = await createProgram();
  const others = commands.filter((command) => command.helpGroup() === `${OTHERS}:` && command.name() !== 'complete');
  expect(names({ commands: others } as unknown as Command)).toEqual([]);
});
