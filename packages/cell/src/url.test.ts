/** URLs in an isolate, which reads names of hosts in ASCII without the tables of Unicode, against Node's. */
import * as fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { AT, CONFIG, image } from './fixtures/base.ts';
import { CachedScript } from './image.ts';
import { Session } from './session.ts';

const label = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 12 }),
  fc.stringMatching(/^[a-zA-Z0-9-]{0,12}$/),
  fc.constantFrom('xn--', 'XN--bcher-kva', 'xn--a', 'a-', '-a', '', 'ab--c', 'b\u00fccher', '\u0661', '\u00ad', '0x7f', '1'),
);
const url = fc
  .tuple(
    fc.constantFrom('http:', 'https:', 'ws:', 'other:'),
    fc.array(label, { maxLength: 5 }),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
  )
  .map(([scheme, labels, query]) => `${scheme}//${labels.join('.')}/?${query}`);

test('are what Node makes of the same text', () => {
  const texts = fc.sample(url, { seed: 20_261_129, numRuns: 1_000 });
  const expected = texts.map((text) => (URL.canParse(text) ? new URL(text).href : null));
  expect(expected.filter((one) => one?.includes('xn--')).length).toBeGreaterThan(20);
  const source = `var corralBundle = (() => {
    const options = { name: 'a', run: ({ input }) => input.map((text) => URL.canParse(text) ? new URL(text).href : null) };
    return { default: { ...options, [Symbol.for('corral.agent')]: options } };
  })();`;
  const session = new Session({ image, bundle: new CachedScript(source, 'agent.js'), config: CONFIG, memory_mib: 64, load_cpu_us: 0 });
  onTestFinished(() => session.dispose());
  const start = { kind: 'start', at: AT, run: 'run_000000000000', input: texts, caps: {}, budget: {} };
  expect(JSON.parse(session.crank(JSON.stringify(start), 0))).toEqual([{ kind: 'finish', output: expected }]);
});
