/** Definitions with fields that there are not. */
import { expect, test } from 'vitest';
import { defineAgent, defineService } from './index.ts';

test.each([
  ['use', ' Did you mean uses? Fields are '],
  ['on_unknown', ' Did you mean onUnknown? '],
  ['outputs', ' Did you mean output? '],
  ['skills', 'has no field skills. Fields are name, purpose, input, output, uses, '],
  ['_', 'has no field _. Fields are '],
  ['constructor', 'has no field constructor. Fields are '],
])('an agent with the field %s is refused, with the nearest and the list', (field, said) => {
  const refused = () => defineAgent({ name: 'crawler', run: () => 1, [field]: {} });
  expect(refused).toThrow(/^CORRAL_MANIFEST_INVALID: crawler: defineAgent /);
  expect(refused).toThrow(said);
});

test('agents and services have fields of their own', () => {
  defineAgent({ name: 'a', onUnknown: 'tell', run: () => 1 });
  defineService({ name: 's', initial: null, on: {} });
  expect(() => defineService({ name: 's', on: {}, run: () => 1 } as never)).toThrow('s: defineService has no field run.');
  expect(() => defineAgent({ on: {}, run: () => 1 } as never)).toThrow(
    'CORRAL_MANIFEST_INVALID: defineAgent has no field on. Did you mean onUnknown?',
  );
});
