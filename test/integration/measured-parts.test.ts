/** A run learns something of a value behind a handle without opening it: from refusals, and from what a narrow capability lets through. */
import { describe, expect, test } from 'vitest';
import { agent, bus } from './flowing.ts';

// Bug measured-parts: a refusal told the size of a part, or that there is none, and the run stayed clean: a message was read character by character.
describe('a run that learns something of a part that it has not opened counts as having read it', () => {
  const told = (probe: string) =>
    agent(`const limit = (cap, terms) => mailbox.send('', { caps: { it: cap.attenuate(terms) } }).then(() => messages.next()).then(({ caps }) => caps.it);
      const pay = await limit(caps.pay, { only_clean: true });
      const few = await limit(caps.send, { bytes: 60 });
      const many = await limit(caps.send, { bytes: 6_000 });
      const h = await caps.mail.handle({});
      const code = await (${probe}).then(() => 'ok', (error) => error.code);
      return [code, await pay({ to: 'ann@example.com', amount: 1 }).then(() => 'ok', (error) => error.code)];`);
  test.each([
    ['by opening what is not there', `open(h.part('nothing'))`, 'CORRAL_ARGS_INVALID'],
    ['by a call with a part that is not there', `caps.send({ to: 'ann@example.com', text: h.part('nothing') })`, 'CORRAL_ARGS_INVALID'],
    ['by a message with a part that is not there', `mailbox.send({ a: h.part('nothing') })`, 'CORRAL_ARGS_INVALID'],
    ['by a capability with too few bytes', `few({ to: 'ann@example.com', text: h.part('text') })`, 'CORRAL_GRANT_SPENT'],
    ['by a capability with enough bytes', `many({ to: 'ann@example.com', text: h.part('text') })`, 'ok'],
  ])('%s', async (_, probe, code) => {
    const w = await bus();
    expect(await w.run(told(probe), { task: 'mail ann@example.com and pay ann@example.com 1' })).toEqual({
      kind: 'completed',
      output: [code, 'CORRAL_GRANT_LABEL'],
    });
  });

  test('and one that only passes it on stays clean', async () => {
    const w = await bus();
    const probe = `caps.send({ to: 'ann@example.com', text: h.part('text') })`;
    expect(await w.run(told(probe), { task: 'mail ann@example.com and pay ann@example.com 1' })).toEqual({
      kind: 'completed',
      output: ['ok', 'ok'],
    });
  });
});
