/** Questions at a terminal: what Ctrl-C and the end of the input do to the command that asks. */
import { expect, test } from 'vitest';
import { HAS_TERMINALS, inTerminal, start } from '../command.ts';
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
