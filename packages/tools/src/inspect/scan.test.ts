/** The built-in searches: what they find, what they leave alone, and that hostile text costs no more than its length. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { scan } from './scan.ts';

const MOST = 1_000_000;
const CANARY = 'kaNary+/7d1f0b3c=92';
const secrets = (value: Json, values = [{ kind: 'canary:planted', value: CANARY }]) =>
  scan(value, { kind: 'secrets', values, except: [] }, MOST)?.kinds;
const personal = (value: Json) => scan(value, { kind: 'personal', except: [] }, MOST)?.kinds;

describe('keys', () => {
  // Put together here, so that no scanner of repositories takes them for real ones.
  const key = (...parts: readonly string[]) => parts.join('');
  const KEYS: Readonly<Record<string, string>> = {
    aws_access_key: key('AKIA', 'Q3EGRZ7XJ2WD4KMP'),
    github_token: key('ghp_', 'zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17'),
    stripe_key: key('sk_live_', '4eC39HqLyjWDarjtT1zdp7dc'),
    openai_key: key('sk-proj-', 'a8Fj3kQz9LmN2bVc7XsWd4RtY6uIoP1eG5hK0jTq'),
    anthropic_key: key('sk-ant-api03-', 'Zk3vQ9mN2bVc7XsWd4RtY6uIoP1eG5hK0jTqa8Fj'),
    google_api_key: key('AIza', 'SyD4x9Kq2mV7bN1cR8tW3eY6uI0oP5aLfGh'),
    private_key: '-----BEGIN RSA PRIVATE KEY-----\nMIIE',
    password_in_address: 'postgres://app:s3cr3tPa55w0rd9@db.internal/main',
    jwt: `${Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')}.${Buffer.from('{"sub":"ana"}').toString('base64url')}.c2ln`,
  };

  test.each(Object.entries(KEYS))('%s is found in a sentence, in a name and in base64', (kind, text) => {
    expect(secrets(`the key is "${text}".`)).toContain(kind);
    expect(secrets({ deep: [{ text: `x=${text}` }] })).toContain(kind);
    expect(secrets(Buffer.from(`the key is this: ${text}`).toString('base64'))).toContain(kind);
  });

  test.each([
    'a plain sentence about keys, tokens and passwords',
    'AKIAIOSFODNN7EXAMPLE is the example of a manual',
    `sk_live_${'x'.repeat(24)}`,
    ['ghp_', 'zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18', ' has a wrong checksum'].join(''),
    'sk-learn-is-a-library-for-machine-learning-in-python-that-many-people-use',
    'https://example.com/a/b?c=d#e and user@example.com',
    'postgres://app:password@db/main',
    'run_7d1f0b3c92ae4d call 12 sha256:b6f65268e389bf3a86ab096e29f951b193077df81c5c63b68d5328b36268ca1d',
  ])('%s is left alone', (text) => {
    expect(secrets(text)).toEqual([]);
  });
});

describe('known values', () => {
  const bytes = Buffer.from(CANARY);
  test.each([
    ['as they are', CANARY],
    ['base64', bytes.toString('base64')],
    ['base64 in a longer text', Buffer.from(`{"key":"${CANARY}","n":1}`).toString('base64url')],
    [
      'base64 in lines',
      Buffer.from(`some words before it: ${CANARY}`)
        .toString('base64')
        .replaceAll(/(.{10})/g, '$1\n'),
    ],
    ['hexadecimal', bytes.toString('hex').toUpperCase()],
    ['percent signs', encodeURIComponent(CANARY)],
    ['percent signs for all', [...bytes].map((byte) => `%${byte.toString(16)}`).join('')],
    ['escapes of JSON', Array.from(CANARY, (one) => `\\u00${one.charCodeAt(0).toString(16)}`).join('')],
    ['JSON in a string', JSON.stringify({ key: CANARY })],
    ['a list of pieces', [CANARY.slice(0, 6), CANARY.slice(6)]],
    [
      'parts of a message',
      [
        { type: 'text', text: CANARY.slice(0, 6) },
        { type: 'text', text: CANARY.slice(6) },
      ],
    ],
    ['members of an object', { a: CANARY.slice(0, 6), b: CANARY.slice(6) }],
    ['a name', { [CANARY]: 1 }],
  ] as const)('are found in %s', (_, value) => {
    expect(secrets(value as Json)).toEqual(['canary:planted']);
  });

  test('are found wherever they stand in what was encoded, and a finding repeats nothing of them', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 40 }),
        fc.string({ maxLength: 40 }),
        fc.constantFrom('base64', 'base64url', 'hex'),
        (a, b, how) => {
          const said = scan(
            [{ [`k${CANARY}`]: Buffer.from(`${a}${CANARY}${b}`).toString(how) }],
            { kind: 'secrets', values: [{ kind: 'c', value: CANARY }], except: [] },
            MOST,
          );
          expect(said?.kinds).toContain('c');
          expect(JSON.stringify(said)).not.toContain(CANARY);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('personal data', () => {
  test.each([
    ['email', 'write to ana.maria+x@mail.example.org, please'],
    ['card', 'pay with 4111 1111 1111 1111 or so'],
    ['card', { number: 5555555555554444 }],
    ['iban', 'to DE89 3704 0044 0532 0130 00 by Friday'],
    ['iban', 'GB82WEST12345698765432'],
    ['phone', 'call +49 30 901820'],
    ['national_id_es', '12345678Z'],
    ['national_id_it', 'RSSMRA85T10A562S'],
    ['national_id_fi', '131052-308T'],
    ['national_id_pl', '44051401359'],
    ['national_id_se', '811218-9876'],
    ['national_id_br', '529.982.247-25'],
    ['national_id_us', '078-05-1120'],
    ['national_id_fr', '255081416802538'],
  ] as const)('%s is found in %s', (kind, value) => {
    expect(personal(value as Json)).toEqual([kind]);
  });

  test.each([
    '4111 1111 1111 1112',
    'DE89 3704 0044 0532 0130 01',
    '12345678A',
    '2026-11-29T12:45:00.123456789Z',
    'version 1.2.3-4567890123 of 2026',
    '@mention and a@b and x@localhost',
    '0.1234567890123456',
    '44051401358',
    'sha256:b6f65268e389bf3a86ab096e29f951b193077df81c5c63b68d5328b36268ca1d',
  ])('%s is left alone', (text) => {
    expect(personal(text)).toEqual([]);
  });
});

test('a value with more text than may be looked at has no finding, and so is missing', () => {
  expect(scan(['x'.repeat(60), 'x'.repeat(60)], { kind: 'personal', except: [] }, 100)).toBeUndefined();
});

test('kinds that are excepted do not count', () => {
  expect(scan('ana@example.org', { kind: 'personal', except: ['email'] }, MOST)).toMatchObject({ found: false, kinds: [] });
});
