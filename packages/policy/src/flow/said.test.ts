/** Texts of a conversation: looked up once, as of when they were first said, and the same for a run that was brought back. */
import { describe, expect, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { deedOf } from './intent.ts';
import type { FlowTool } from './facts.ts';
import { CLEAN } from './labels.ts';
import { FlowRun } from './run.ts';

const NEVER = { first_use: false, amount_above_history: false };
const READS = { returns: 'untrusted', private_to: 'ann', args: {} } as const;
const mail: FlowTool = { name: 'mail', effect: 'none', destinations: [], deed: deedOf('mail', 'reads mail') };
const model: FlowTool = { name: 'model:default', effect: 'none', destinations: [], deed: deedOf('model:default', 'asks'), model: true };
const send: FlowTool = { ...mail, name: 'send', effect: 'change' };
const SECRET = 'the vault opens with 8841-BLUE-77 on Friday evening';

const prompt = (...texts: string[]): Json => ({ prompt: texts.map((text) => ({ role: 'user', content: [{ type: 'text', text }] })) });
const begun = () => new FlowRun({ task: 'answer my mail' });
const read = (flow: FlowRun, call: number, text: string) => flow.read({ call, tool: mail, ...READS }, { text });
const ask = (flow: FlowRun, input: Json, tool = model) => flow.flow(tool, input, NEVER, () => true).facts;

describe('what was said', () => {
  test('before something was read did not come from there, also where it is the same; what is said after that did', () => {
    const flow = begun();
    read(flow, 1, 'lunch at noon, says a stranger from elsewhere');
    expect(ask(flow, prompt(SECRET))).toMatchObject({ argument_origin: 'model', carries_private: false });
    flow.say(prompt(SECRET));
    read(flow, 2, SECRET);
    expect(ask(flow, prompt(SECRET))).toMatchObject({ argument_origin: 'model', carries_private: false });
    // Other words of it, a further message with it, and a call of another tool are as they would be without.
    expect(ask(flow, prompt(SECRET, `quote: ${SECRET}`))).toMatchObject({ argument_origin: 'untrusted', carries_private: true });
    expect(ask(flow, prompt(SECRET), send)).toMatchObject({ argument_origin: 'untrusted', carries_private: true });
  });

  test('of a call that is only being decided is forgotten with the decision', () => {
    const flow = begun();
    read(flow, 1, 'lunch at noon, says a stranger from elsewhere');
    const draft = flow.draft();
    for (const _ of draft.look(prompt(SECRET)));
    expect(ask(draft, prompt(SECRET))).toMatchObject({ argument_origin: 'model' });
    draft.say(prompt(SECRET));
    draft.dropped();
    expect(flow.bytes).toBeLessThan(draft.bytes + 1);
    read(flow, 2, SECRET);
    expect(ask(flow, prompt(SECRET))).toMatchObject({ argument_origin: 'untrusted' });
  });

  test('is the same for a run that is brought back from its journal, looked up before or not', () => {
    const texts = Array.from({ length: 300 }, (_, i) => `message ${i} ${'words of no one '.repeat(i % 7)} ${i % 3 === 0 ? SECRET : ''}`);
    const steps = (looks: boolean) => {
      const flow = begun();
      const all: unknown[] = [];
      for (let i = 0; i < texts.length; i += 30) {
        if (i % 60 === 0) read(flow, i, texts[i + 17] ?? '');
        const input = prompt(...texts.slice(0, i + 30));
        if (looks) {
          for (const _ of flow.look(input));
          all.push(ask(flow, input));
        }
        flow.say(input);
      }
      return { last: ask(flow, prompt(...texts)), bytes: flow.bytes, all };
    };
    const [live, back] = [steps(true), steps(false)];
    expect(back.last).toEqual(live.last);
    expect(back.bytes).toBe(live.bytes);
    expect(new Set(live.all.map((facts) => (facts as typeof live.last).argument_origin))).toEqual(new Set(['untrusted']));
  });

  test('is looked up some texts at a time', () => {
    const flow = begun();
    read(flow, 1, SECRET);
    const input = prompt(...Array.from({ length: 1_000 }, (_, i) => `message ${i}`));
    expect(Array.from(flow.look(input)).length).toBeGreaterThan(10);
    flow.say(input);
    expect(Array.from(flow.look(input))).toHaveLength(0);
  });

  test('knows the arguments that a model wrote as text, and is bounded', () => {
    const flow = begun();
    read(flow, 1, 'something of a stranger');
    const call = (input: Json): Json => ({ prompt: [{ role: 'assistant', content: [{ type: 'tool-call', input }] }] });
    flow.say(call(JSON.stringify({ note: SECRET })));
    read(flow, 2, SECRET);
    expect(ask(flow, call({ note: SECRET }))).toMatchObject({ argument_origin: 'model' });
    const before = flow.bytes;
    for (let i = 0; i < 20; i++) flow.say(prompt(`${i}`.repeat(1_000_000)));
    expect(flow.bytes - before).toBeLessThan(10_000_000);
    expect(flow.label).not.toEqual(CLEAN);
  });
});
