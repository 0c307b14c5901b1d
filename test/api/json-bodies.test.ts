/** JSON as other people's programs write it: what is JSON is taken as it is, and what would become another value is refused. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import { ADMISSION } from '@corral/protocol/limits';
import { sharedFront } from '../front.ts';

const made = sharedFront();
let secret: string;
beforeAll(async () => {
  await made().deploy(`{ name: 'keys', run: ({ input }) => ({ input, own: Object.keys(input) }) }`);
  ({ secret } = await made().as('local', 'developer', 'operator', 'auditor', 'admin'));
});
afterEach(() => {
  if ('polluted' in {}) throw new Error('Prototypes were written to.');
});

const send = (method: string, path: string, body?: string | Uint8Array<ArrayBuffer>) =>
  fetch(`${made().url}${path}`, {
    method,
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body }),
  });
const submit = (input: string) => send('POST', '/v1/runs', `{"agent":"keys","input":${input}}`);

test.each([
  '{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}},"toString":"text","hasOwnProperty":1,"":0}',
  '{"__proto__":1}',
  '{"constructor":{"prototype":1}}',
  '{"then":"no function","toJSON":"no function","valueOf":null}',
])('an input may have members by the names that objects have: %s', async (input) => {
  const answer = await submit(input);
  expect(answer.status).toBe(201);
  const { run } = (await answer.json()) as { run: never };
  const { outcome } = await made().admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(outcome).toMatchObject({ kind: 'completed' });
  const { output } = outcome as unknown as { output: { input: unknown; own: string[] } };
  expect(output.own).toEqual(Object.keys(JSON.parse(input) as object));
  expect(JSON.stringify(output.input)).toBe(input);
});

test.each([
  '{"agent":"keys","__proto__":{"agent":"x"}}',
  '{"agent":"keys","budget":{"__proto__":{"calls":1}}}',
  '{"agent":"keys","ceilings":{"__proto__":{"wall_ms":1}}}',
  '{"agent":"keys","grants":{"__proto__":{"uses":1}}}',
  '{"agent":"keys","grants":{"constructor":{"prototype":{}}}}',
  '{"agent":"keys","grants":{"read":{"where":{"__proto__":{"max":1}}}}}',
])('such names are refused where the schema has others: %s', async (body) => {
  const before = await made().admin.listRuns({});
  const answer = await send('POST', '/v1/runs', body);
  expect([400, 422]).toContain(answer.status);
  const after = await made().admin.listRuns({});
  expect(after.items.map(({ run }) => run)).toEqual(before.items.map(({ run }) => run));
});

test.each([
  ['a member that is named twice', '{"amount":1,"amount":1000}', 'names "amount" twice'],
  ['an integer that no number holds', '{"account":12345678901234567890}', 'would lose precision'],
  ['a number that would become null', '{"amount":1e999}', 'larger than a number can be'],
])('%s is refused and not changed in silence', async (_, input, says) => {
  const answer = await submit(input);
  expect([answer.status, ((await answer.json()) as { detail: string }).detail]).toEqual([400, expect.stringContaining(says)]);
});

test('a body in another encoding is refused, and a byte order mark is not', async () => {
  const answer = await send('POST', '/v1/runs', Uint8Array.from(Buffer.from('{"agent":"keys","input":{"name":"G\u00fcnther"}}', 'latin1')));
  expect([answer.status, ((await answer.json()) as { detail: string }).detail]).toEqual([400, 'The body is not UTF-8.']);
  expect((await send('POST', '/v1/runs', '\uFEFF{"agent":"keys","input":{}}')).status).toBe(201);
});

test('a DELETE that announces JSON and sends none is carried out', async () => {
  const { token } = await made().admin.makeToken({ body: { name: 'spare', tenant: 'local', roles: ['developer'] } });
  expect((await send('DELETE', `/v1/tokens/${token}`)).status).toBe(200);
  expect((await send('POST', '/v1/runs')).status).toBe(400);
});

test('a bundle that is far too large is refused', async () => {
  const body = JSON.stringify({ source: 'x'.repeat(ADMISSION.bundle_bytes.default * 7) });
  const answer = await send('POST', '/v1/agents', body);
  expect(await answer.json()).toMatchObject({ status: 413, code: 'CORRAL_BUNDLE_TOO_LARGE' });
});

test('a bundle is taken or refused by its own size, however JSON writes it', { tags: 'long' }, async () => {
  // Three characters, of which the bundler writes four bytes, and JSON of these six.
  const quoted = (bytes: number) => `{ name: 'large', run: ({ input }) => ${JSON.stringify('"\\\n'.repeat(bytes / 4))}.indexOf(input) }`;
  await made().deploy(quoted(ADMISSION.bundle_bytes.default * 0.9));
  await expect(made().deploy(quoted(ADMISSION.bundle_bytes.default * 1.1))).rejects.toMatchObject({
    code: 'CORRAL_BUNDLE_TOO_LARGE',
    message: expect.stringMatching(/^The bundle has \d+ bytes; at most 8388608 are accepted\.$/) as string,
  });
});

test('a body that is too large is told which limit it met', async () => {
  const answer = await submit(JSON.stringify('x'.repeat(3 * 1024 * 1024)));
  expect(await answer.json()).toMatchObject({
    code: 'CORRAL_REQUEST_TOO_LARGE',
    detail: 'The body has more than 2097152 bytes, which is the limit here.',
  });
});

// Bug distinct-keys: parsing such a body took the loop of the host for seconds.
test.each([
  ['different names', `{${Array.from({ length: 60_000 }, (_, i) => `"key${i}":0`).join(',')}}`, 'different names of members'],
  ['items', `[${'0,'.repeat(200_000)}0]`, 'members and items'],
])('a body with many %s is refused before it is parsed', async (_, input, says) => {
  const answer = await submit(input);
  expect(answer.status).toBe(400);
  expect(((await answer.json()) as { detail: string }).detail).toContain(says);
});
