/** `/mcp`: the host as an MCP server over streamable HTTP, in both eras. It keeps no session; each request has the token of its caller. */
import { createMcpHandler } from '@modelcontextprotocol/server';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { createClient, type Transport } from '@corral/protocol/api/client';
import { mcpDoor } from './door.ts';

/** Headers that say who calls, and from where. */
const OF_CALLER = ['authorization', 'host', 'origin', 'cookie'] as const;

export function serveMcp(app: FastifyInstance): void {
  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: '/mcp',
    schema: { hide: true },
    handler: async (request, reply) => {
      const caller = Object.fromEntries(
        OF_CALLER.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, request.headers[name]]])),
      );
      const transport = inside(app, caller);
      const who = await transport({ method: 'GET', path: '/v1/whoami', headers: {}, body: undefined, signal: undefined });
      if (who.status >= 400)
        return reply
          .code(who.status)
          .type('application/problem+json')
          .send(await who.text());
      const handler = createMcpHandler(() => mcpDoor(createClient(transport)));
      const response = await handler.fetch(asFetched(request), { parsedBody: request.body });
      return reply.send(response);
    },
  });
}

/** Requests to the same front door, as the caller. */
function inside(app: FastifyInstance, caller: Readonly<Record<string, string>>): Transport {
  return async ({ method, path, headers, body }) => {
    const answer = await app.inject({
      method: method as 'GET',
      url: path,
      headers: { ...headers, ...caller },
      ...(body === undefined ? {} : { payload: body }),
    });
    return {
      status: answer.statusCode,
      text: () => Promise.resolve(answer.body),
      async *lines() {
        yield* answer.body.split('\n');
      },
    };
  };
}

function asFetched({ method, url, headers, body }: FastifyRequest): Request {
  const all = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || name === 'content-length' ? [] : [[name, String(value)] as [string, string]],
  );
  return new Request(new URL(url, 'http://host'), {
    method,
    headers: all,
    ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
  });
}
