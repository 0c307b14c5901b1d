/** The OpenAPI documents of a configuration, each a source of tools. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HTTP } from '@corral/protocol/limits-http';
import { isExact } from '@corral/protocol/model/origin';
import type { ToolPins } from '@corral/protocol/ports/pins';
import { bytesOf } from '@corral/tools/http/answer';
import { Exchange } from '@corral/tools/http/exchange';
import { OpenApiSource, type OpenApiPowers } from '@corral/tools/openapi/source';
import { allowedOf, boundsOf, faultsOfHeaders, secretHeaders, type HttpToolPowers } from './http.ts';
import type { OpenApi, OpenApiConfig } from './openapi-schema.ts';
import type { Fault } from './whole.ts';

interface Powers extends OpenApiPowers, Pick<HttpToolPowers, 'resolve'> {
  /** Folder of the configuration file. */
  readonly base: string;
  readonly pins: ToolPins;
}

/** @throws why it has no tools */
export function openOpenApi(name: string, said: OpenApiConfig, powers: Powers): Promise<OpenApiSource> {
  const { origin, secrets, limits, operations, base_path, private_to, document, ...rest } = said;
  const allowed = allowedOf(origin);
  const bounds = boundsOf(limits, powers.resolve);
  return OpenApiSource.open(
    {
      ...rest,
      name,
      origin: allowed,
      base_path,
      only: operations,
      private_to,
      secrets: secretHeaders(secrets, [allowed]),
      body_bytes: limits.body_bytes,
      bounds,
      pins: powers.pins,
      read: () => (/^https?:\/\//.test(document) ? fetched(document, said, powers) : readFile(resolve(powers.base, document), 'utf8')),
    },
    powers,
  );
}

/** The document by its address, guarded as the requests of agents are, and without their secrets. */
async function fetched(address: string, { origin, limits }: OpenApiConfig, { resolve: find }: Powers): Promise<string> {
  const url = new URL(address);
  const own = allowedOf(origin);
  const from = own.pattern === url.origin ? own : allowedOf(url.origin);
  const bounds = { ...boundsOf(limits, find), answer_bytes: HTTP.openapi_bytes.default };
  const exchange = new Exchange(
    { origins: [from], secrets: [], bounds },
    { secret: () => Promise.reject(new Error('a document needs none')) },
  );
  const host = { tenant: '' as never, agent: '', person: '', idempotency_key: '', signal: AbortSignal.timeout(limits.timeout_ms) };
  try {
    const request = { method: 'GET', origin: url.origin, path: url.pathname, ...(url.search === '' ? {} : { query: url.search.slice(1) }) };
    const answer = await exchange.ask({ ...request, headers: { accept: 'application/json, application/yaml, */*;q=0.5' } }, host, true);
    if (answer.status !== 200) throw new Error(`${url.origin} answered ${answer.status}`);
    return (await bytesOf(answer, bounds.answer_bytes, url.origin)).toString();
  } finally {
    await exchange.close();
  }
}

export function faultsOfOpenApi(documents: OpenApi, secrets: Readonly<Record<string, unknown>>): Fault[] {
  return Object.entries(documents).flatMap(([name, { origin, secrets: headers }]): Fault[] => {
    const allowed = allowedOf(origin);
    if (!isExact(allowed.pattern)) return [{ path: ['openapi', name, 'origin'], message: 'it is one origin, without *' }];
    return faultsOfHeaders(headers, [allowed], secrets, ['openapi', name, 'secrets']);
  });
}
