/** Questions at a terminal: those of an agent, and what Ctrl-C and the end of the input do to the command that asks. */
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { corral, CORRAL_MAIN, HAS_TERMINALS, inTerminal, start } from '../command.ts';
import { until } from '../until.ts';

const ASK = JSON.stringify(new URL('../../packages/cli/src/ask.ts', import.meta.url).href);
const ASKS = `import { isAllowed } from ${ASK}; console.log('said ' + (await isAllowed('Well?')));`;
const CLOSES = `process.once('SIGINT', () => setImmediate(() => process.exit(7))); setInterval(() => {}, 1_000);`;

/** Runs a program that asks in a terminal, and types this at its question. */
async function typedAt(program: string, typed: string) {
  const { child, said, out } = start(inTerminal(`'${process.execPath}' --input-type=module -e '${program.replaceAll("'", `'\\''`)}'`), {
    typed: true,
  });
  await until(() => out().includes('Well? [y/N]'));
  child.stdin?.write(typed);
  return said;
}

test.skipIf(!HAS_TERMINALS)('Ctrl-C at a question is the signal that it is elsewhere, and answers nothing', async () => {
  const ended = await typedAt(ASKS, '\u0003');
  expect(ended.code).toBe(130);
  expect(ended.out).not.toMatch(/said|Abort/);
  const closed = await typedAt(CLOSES + ASKS, '\u0003');
  expect(closed.code).toBe(7);
  expect(closed.out).not.toMatch(/said|Abort/);
});

test.skipIf(!HAS_TERMINALS)('the end of the input at a question is no', async () => {
  expect((await typedAt(ASKS, '\u0004')).out).toContain('said false');
  expect((await typedAt(ASKS, 'yes\n')).out).toContain('said true');
});

test.skipIf(!HAS_TERMINALS)('a question of an agent is answered at the terminal, and once more where the answer does not fit', async () => {
  const { file } = agentFile('questions/deployer');
  const { child, said, out } = start(inTerminal(`'${process.execPath}' '${CORRAL_MAIN}' run '${file}'`), { typed: true });
  const types = async (prompt: string, line: string) => {
    await until(() => out().includes(prompt), prompt);
    child.stdin?.write(`${line}\n`);
  };
  await types('one of "staging", "production": ', 'nowhere');
  await types('does not take this answer', 'staging');
  await types('a number: ', '980');
  await types('a text: ', '42');
  const ended = await said;
  expect(ended.out).toContain('deployer asks: Where may I deploy this?');
  expect(ended.out.replaceAll(/\s/g, '')).toContain('"where":"staging","most":980,"note":"42"');
});

test('a question that nobody can be asked is declined, and the command says so', async () => {
  const { code, err } = await corral(['run', agentFile('questions/deployer').file]);
  expect(code).not.toBe(0);
  expect(err).toContain('nobody was asked, since there is no terminal here');
});
