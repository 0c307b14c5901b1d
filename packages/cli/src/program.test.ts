import { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram, GROUPS } from './program.ts';

const names = (program: Command) => program.commands.map((command) => command.name());

test.each(GROUPS)('the group of $names.0 gives the commands that it names', async ({ names: named, load }) => {
  const program = new Command();
  (await load())(program);
  expect(names(program)).toEqual(named);
});

test('one command is loaded with its group alone; help and completions have all', async () => {
  const all = GROUPS.flatMap((group) => group.names);
  expect(names(await createProgram(['ps', '--all']))).toContain('why');
  expect(names(await createProgram(['ps', '--all']))).not.toContain('deploy');
  for (const argv of [[], ['--help'], ['completion', 'bash'], ['wy']]) expect(names(await createProgram(argv))).toEqual(all);
});
