/** A command that meets a host which has just started waits for it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { transportTo } from '@corral/client/node';
import { createClient } from '@corral/protocol/api/client';
import { problemOf } from '@corral/protocol/api/problem';
import { CorralError, type ErrorCode } from '@corral/protocol/errors';
import { patient } from './patient.ts';

const ME = { principal: 'token:ana', tenant: '*', roles: ['admin'] };

/** A client of a server that first answers with refusals, then as a host would; and what it said to the person who waits. */
async function meeting(refusals: readonly ErrorCode[], most_ms: number) {
  const left = [...refusals];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      bodies.push(body);
      const code = left.shift();
      response.statusCode = code === undefined ? 200 : 503;
      response.end(JSON.stringify(code === undefined ? ME : problemOf(new CorralError(code, 'Not now.'))));
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => void server.close());
  const said: string[] = [];
  const { port } = server.address() as AddressInfo;
  const transport = patient(transportTo({ url: `http://127.0.0.1:${port}` }), (line) => said.push(line), most_ms);
  return { client: createClient(transport), said, bodies };
}

test('its request is sent again with its body until the host takes work, and the person is told once', async () => {
  const { client, said, bodies } = await meeting(['CORRAL_STARTING', 'CORRAL_STARTING'], 60_000);
  const body = { name: 'ana', roles: ['developer' as const], expires_in_ms: 1_000 };
  expect(await client.makeToken({ body })).toEqual(ME);
  expect(bodies).toEqual(Array.from({ length: 3 }, () => JSON.stringify(body)));
  expect(said).toEqual([expect.stringContaining('has just started')]);
});

test('the refusal is passed on when the time is over, and any other one at once', async () => {
  const late = await meeting(['CORRAL_STARTING'], 0);
  await expect(late.client.whoAmI({})).rejects.toMatchObject({ code: 'CORRAL_STARTING', status: 503 });
  const other = await meeting(['CORRAL_STOPPING'], 60_000);
  await expect(other.client.whoAmI({})).rejects.toMatchObject({ code: 'CORRAL_STOPPING' });
  expect([late.bodies.length, other.bodies.length, other.said]).toEqual([1, 1, []]);
});
