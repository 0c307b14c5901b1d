/** Advice to people about how a run ended. */
import { describe, expect, test } from 'vitest';
import type { Outcome } from '@corral/protocol/model/outcome';
import { adviceToAuthor, advice, missingName } from './advice.ts';

const RUN = 'run_0123456789ab';
const threw = (message: string): Outcome => ({ kind: 'failed', code: 'CORRAL_AGENT_THREW', message });
const crank: Outcome = { kind: 'exceeded', limit: 'cpu', message: 'One crank used more than 1000 ms of CPU time.' };

describe('an agent that asks for what only Node has', () => {
  test.each([
    ['process is not defined', /no `process`: .*part of its input/],
    ['require is not defined', /no `require`: .*`import … from`/],
    ['__dirname is not defined', /no `__dirname`: .*`tool:fs\.read`/],
    ['Buffer is not defined', /no `Buffer`: .*`Uint8Array`/],
    ['WebSocket is not defined', /no `WebSocket`: .*`uses`/],
    ['WeakRef is not defined', /no `WeakRef`: .*journal/],
    ['The bundle could not be loaded: process is not defined (at agent.ts:2:18)', /no `process`/],
  ])('and throws %j is told what there is instead', (message, said) => {
    for (const lines of [advice(RUN, threw(message), false), adviceToAuthor(threw(message))]) expect(lines.join('\n')).toMatch(said);
  });

  test('is not confused with one that misspelt a name of its own, or of Object', () => {
    for (const name of ['procss', 'my.process', 'constructor', 'toString']) expect(missingName(`${name} is not defined`)).toEqual([]);
  });
});

test('the stack that was cut is named beside it', () => {
  expect(advice(RUN, threw('process is not defined'), true)).toEqual([
    expect.stringContaining('`process`'),
    `\`corral show ${RUN}\` has the rest of its stack.`,
  ]);
  expect(advice(RUN, threw('out of tea'), false)).toEqual([]);
});

test('a crank that computed for too long has its limit named, where it is set', () => {
  expect(adviceToAuthor(crank)).toEqual([expect.stringMatching(/definition: `ceilings: \{ crank_cpu_ms: 4000 \}`/)]);
  expect(advice(RUN, crank, false)).toEqual([
    expect.stringContaining(`corral replay ${RUN}`),
    expect.stringContaining(`--ceilings '{"crank_cpu_ms":4000}'`),
  ]);
  expect(adviceToAuthor({ kind: 'exceeded', limit: 'calls', message: 'It made 10 calls.' })).toEqual([]);
});
