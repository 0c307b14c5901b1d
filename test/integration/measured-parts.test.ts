/**
 * A run learns something of a value behind a handle without opening it: from refusals, and from what a narrow capability or the rest of its
 * purse lets through.
 */
import { describe, expect, test } from 'vitest';
import { bus } from './flowing.ts';
import { agentFile } from '../agents/file.ts';

// Bug measured-parts: a refusal told the size of a part, or that there is none, and the run stayed clean: a message was read character by character.
describe('a run that learns something of a part that it has not opened counts as having read it', () => {
  const source = agentFile('hostile/measures-parts');
  test.each([
    ['by opening what is not there', 'opens nothing', 'CORRAL_ARGS_INVALID'],
    ['by a call with a part that is not there', 'sends nothing', 'CORRAL_ARGS_INVALID'],
    ['by a message with a part that is not there', 'tells nothing', 'CORRAL_ARGS_INVALID'],
    ['by a capability with too few bytes', 'sends by few bytes', 'CORRAL_GRANT_SPENT'],
    ['by a capability with enough bytes', 'sends by many bytes', 'ok'],
  ])('%s', async (_, probe, code) => {
    const w = await bus();
    expect(await w.run(source, { task: 'mail ann@example.com and pay ann@example.com 1', probe })).toEqual({
      kind: 'completed',
      output: [code, 'CORRAL_GRANT_LABEL'],
    });
  });

  // The part `text` takes 48 bytes, a call that sends it 80, and the payment afterwards 35.
  test.each([
    ['by opening one for which its purse has too few bytes', 'opens it', 40, 'CORRAL_BUDGET_EXCEEDED'],
    ['by a call for which its purse has too few bytes', 'passes it on', 60, 'CORRAL_BUDGET_EXCEEDED'],
    ['by a call for which the rest of its purse has enough bytes', 'passes it on', 2_000, 'ok'],
  ])('%s', async (_, probe, left, code) => {
    const w = await bus();
    expect(await w.run(source, { task: 'mail ann@example.com and pay ann@example.com 1', probe, left })).toEqual({
      kind: 'completed',
      output: [code, 'CORRAL_GRANT_LABEL'],
    });
  });

  test('and one that only passes it on stays clean', async () => {
    const w = await bus();
    const probe = 'passes it on';
    expect(await w.run(source, { task: 'mail ann@example.com and pay ann@example.com 1', probe })).toEqual({
      kind: 'completed',
      output: ['ok', 'ok'],
    });
  });
});
