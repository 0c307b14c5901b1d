/** The capabilities of a configuration for requests by HTTP, as tools, which agents reach as `http:NAME`. */
import { covers, isExact } from '@corral/protocol/model/origin';
import type { Returns, Tool } from '@corral/protocol/ports/tool';
import { httpTool, returnedBy, type HttpPowers } from '@corral/tools/http/tool';
import { secretsIn, type SecretHeader } from '@corral/tools/http/exchange';
import type { AllowedOrigin, Returned } from '@corral/tools/http/request';
import { literalIn, rangeOf, type AddressRange } from '@corral/tools/net/addresses';
import type { Resolve } from '@corral/tools/net/guarded';
import type { AllowedOrigin as Said, Http, HttpOrigin, HttpLimits, SecretHeaders } from './http-schema.ts';
import type { Fault } from './whole.ts';

export interface HttpToolPowers extends HttpPowers {
  readonly resolve?: Resolve | undefined;
}

export function httpTools(http: Http, powers: HttpToolPowers): Tool[] {
  return Object.entries(http).map(([name, said]) => {
    const { origins, secrets, limits, private_to, returns, ...rest } = said;
    const allowed = origins.map((one) => ({ ...allowedOf(one), returned: returnsOf(one) }));
    const tool = httpTool(
      {
        ...rest,
        name,
        origins: allowed,
        returned: writtenBy(returns),
        body_bytes: limits.body_bytes,
        secrets: secretHeaders(secrets, allowed),
        bounds: boundsOf(limits, powers.resolve),
      },
      powers,
    );
    return private_to === undefined ? tool : { ...tool, annotations: { ...tool.annotations, private_to } };
  });
}

const returnsOf = (said: HttpOrigin): Returned | undefined =>
  typeof said === 'string' || said.returns === undefined ? undefined : writtenBy(said.returns);

const writtenBy = (said: Returns): Returned => {
  const { returns, trusted_fields = [] } = returnedBy(said);
  return { returns, trusted_fields };
};

export const boundsOf = (limits: HttpLimits, resolve: Resolve | undefined) => ({ ...limits, resolve });

/** An origin with the addresses that it may have: those that are said, and what its own name says. */
export function allowedOf(said: Said | HttpOrigin): AllowedOrigin {
  const { origin: pattern, addresses } = typeof said === 'string' ? { origin: said, addresses: [] } : said;
  return { pattern, addresses: [...addresses.flatMap((one) => rangeOf(one) ?? []), ...namedBy(pattern)] };
}

/** `localhost` is this machine (RFC 6761), and an address is itself. */
function namedBy(pattern: string): readonly AddressRange[] {
  const { hostname = '' } = URL.parse(pattern) ?? {};
  const names = hostname === 'localhost' ? ['127.0.0.1', '::1'] : isExact(pattern) ? [literalIn(hostname) ?? ''] : [];
  return names.flatMap((one) => rangeOf(one) ?? []);
}

/** The headers of a configuration, each with the one origin that it is for. */
export function secretHeaders(secrets: SecretHeaders, origins: readonly AllowedOrigin[]): SecretHeader[] {
  return Object.entries(secrets).map(([header, said]) =>
    typeof said === 'string' ? { header, value: said, origin: origins[0]?.pattern ?? '' } : { header, ...said },
  );
}

/** Secrets that there are not, or that would go elsewhere than to one origin that is meant. */
export function faultsOfHttp(http: Http, secrets: Readonly<Record<string, unknown>>): Fault[] {
  return Object.entries(http).flatMap(([name, { origins, secrets: headers, returns }]) => [
    ...faultsOfHeaders(headers, origins.map(allowedOf), secrets, ['http', name, 'secrets']),
    ...faultsOfFields(returns, ['http', name, 'returns']),
    ...origins.flatMap((one, i) =>
      typeof one === 'string' || one.returns === undefined ? [] : faultsOfFields(one.returns, ['http', name, 'origins', i, 'returns']),
    ),
  ]);
}

const faultsOfFields = (returns: Returns, path: readonly PropertyKey[]): Fault[] =>
  returnedBy(returns).faults.map(({ message }) => ({ path, message }));

export function faultsOfHeaders(
  headers: SecretHeaders,
  origins: readonly AllowedOrigin[],
  secrets: Readonly<Record<string, unknown>>,
  path: readonly PropertyKey[],
): Fault[] {
  return Object.entries(headers).flatMap(([header, said]): Fault[] => {
    const at = [...path, header];
    const { value, origin } = typeof said === 'string' ? { value: said, origin: undefined } : said;
    const unknown = secretsIn(value).filter((secret) => !Object.hasOwn(secrets, secret));
    if (unknown.length > 0) return unknown.map((secret) => ({ path: at, message: `there is no secret ${secret}` }));
    const [only] = origins;
    if (origin === undefined && (origins.length !== 1 || only === undefined || !isExact(only.pattern)))
      return [{ path: at, message: 'say for which origin it is: `{ value: "Bearer {crm}", origin: "https://api.example.com" }`' }];
    const to = origin ?? only?.pattern ?? '';
    if (!isExact(to) || !origins.some(({ pattern }) => covers(pattern, to))) return [{ path: at, message: `${to} is none of its origins` }];
    const isOpen = to.startsWith('http:') && origins.every(({ pattern, addresses }) => !covers(pattern, to) || addresses.length === 0);
    return isOpen
      ? [{ path: at, message: `${to} would get it in clear text; use https, or say in \`addresses\` in which private network it is` }]
      : [];
  });
}
