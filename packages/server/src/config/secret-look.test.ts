import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import type { Tool, ToolCall } from '@corral/protocol/ports/tool';
import { formsOf } from './secret-forms.ts';
import { FirstLook } from './secret-look.ts';
import { Vault } from './secrets.ts';

/** The answer of a tool that was given these secrets, as it comes out of the guard. */
async function cleaned(secrets: Readonly<Record<string, string>>, value: unknown): Promise<unknown> {
  const refs = Object.fromEntries(Object.keys(secrets).map((name) => [name, { env: name }]));
  const vault = new Vault(refs, secrets);
  for (const name of Object.keys(secrets)) await vault.read(name);
  const tool = { name: 'tool', invoke: () => Promise.resolve({ kind: 'ok', value }) } as unknown as Tool;
  const result = await vault.guard(tool).invoke({} as ToolCall);
  return result.kind === 'ok' ? result.value : result;
}

describe('the first look for secrets', () => {
  test('misses none that stands in the JSON of a value, wherever', () => {
    const secret = fc.string({ minLength: 4, maxLength: 40, unit: 'grapheme' });
    fc.assert(
      fc.property(fc.array(secret, { minLength: 1, maxLength: 4 }), fc.jsonValue({ maxDepth: 4 }), fc.nat(), (secrets, around, at) => {
        const forms = secrets.flatMap((one) => formsOf(one));
        const form = forms[at % forms.length] ?? '';
        const look = new FirstLook(forms);
        expect(look.mayHold(`${JSON.stringify(around)}${form}`)).toBe(true);
        for (const value of [form, [around, `a ${form} b`], { around, in: { [form]: around } }, { of: Number(form) }]) {
          const text = JSON.stringify(value);
          expect(look.mayBeIn(value) || !forms.some((one) => text.includes(one))).toBe(true);
        }
      }),
    );
  });

  test('sees what a value says of itself only as JSON, and numbers', async () => {
    const key = 'key-of-the-crm-1';
    const itself = { toJSON: () => ({ key }) };
    expect(await cleaned({ key }, { itself })).toEqual({ itself: { key: '[secret:key]' } });
    expect(new FirstLook(['4711']).mayBeIn([1, { n: 14_711 }])).toBe(true);
    expect(new FirstLook([key]).mayBeIn([1, { n: 14_711, text: 'key-of', none: null }])).toBe(false);
    expect(new FirstLook([]).mayBeIn(key)).toBe(false);
  });
});

test('a secret that is the value of a header is looked for without its scheme as well', async () => {
  const value: Json = ['Bearer abcdefgh1234', 'abcdefgh1234', 'Bearer of news', btoa('abcdefgh1234')];
  expect(await cleaned({ key: 'Bearer abcdefgh1234' }, value)).toEqual(['[secret:key]', '[secret:key]', 'Bearer of news', '[secret:key]']);
});
