/** The request of an operation: its arguments in the path, the query, the headers and the body (OpenAPI, "Style Values"). */
import type { Json } from '@corral/protocol/json';
import type { HttpRequest } from '../http/request.ts';
import { isMembers, type Members } from './document.ts';
import type { Operation, Parameter } from './operations.ts';

/** @throws Error with the end of a sentence, for a value that cannot be written where it belongs */
export function requestOf({ method, path, parameters, body }: Operation, args: Members, origin: string, base: string): HttpRequest {
  const at = (place: Parameter['in']) => parameters.filter((one) => one.in === place && args[one.argument] !== undefined);
  let written = path;
  for (const one of at('path')) {
    const text = joined(one, args[one.argument] as Json);
    if (text === '') throw new Error(`${one.argument} is empty`);
    written = written.replaceAll(`{${one.name}}`, () => text);
  }
  // `.` stays as it is when it is encoded, and the URL Standard reads such a segment as another path.
  if (written.split('/').some((segment) => segment === '.' || segment === '..'))
    throw new Error('an argument in its path would lead to another path');
  const query = at('query').flatMap((one) => pairs(one, args[one.argument] as Json));
  const headers: Record<string, string> = {};
  for (const one of at('header'))
    headers[one.name.toLowerCase()] = decodeURIComponent(joined({ ...one, style: 'simple' }, args[one.argument] as Json));
  const content = body === null || args['body'] === undefined ? undefined : bodyText(body, args['body']);
  return {
    method,
    origin,
    path: `${base}${written}`,
    ...(query.length === 0 ? {} : { query: query.map(([name, value]) => `${encodeURIComponent(name)}=${value}`).join('&') }),
    headers: { accept: 'application/json, */*;q=0.5', ...headers, ...(content === undefined ? {} : { 'content-type': body as string }) },
    ...(content === undefined ? {} : { body: content }),
  };
}

const plain = (value: Json): string =>
  typeof value === 'string' ? value : typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
const encoded = (value: Json): string => encodeURIComponent(plain(value));

/** In a path or a header: `simple` (RFC 6570, 3.2.2). */
function joined({ json, explode }: Parameter, value: Json): string {
  if (json) return encodeURIComponent(JSON.stringify(value));
  if (Array.isArray(value)) return value.map((one: Json) => encoded(one)).join(',');
  if (!isMembers(value)) return encoded(value);
  return Object.entries(value)
    .map(([name, one]) => `${encodeURIComponent(name)}${explode ? '=' : ','}${encoded(one)}`)
    .join(',');
}

const BETWEEN: Readonly<Record<string, string>> = { spaceDelimited: '%20', pipeDelimited: '%7C' };

/** In a query: `form`, `spaceDelimited`, `pipeDelimited`, `deepObject`. */
function pairs({ name, style, explode, json }: Parameter, value: Json): [name: string, value: string][] {
  if (json) return [[name, encodeURIComponent(JSON.stringify(value))]];
  if (Array.isArray(value)) {
    const each = value.map((one: Json) => encoded(one));
    return explode ? each.map((one) => [name, one]) : [[name, each.join(BETWEEN[style] ?? ',')]];
  }
  if (!isMembers(value)) return [[name, encoded(value)]];
  const members = Object.entries(value);
  if (style === 'deepObject') return members.map(([member, one]) => [`${name}[${member}]`, encoded(one)]);
  if (explode) return members.map(([member, one]) => [member, encoded(one)]);
  return [[name, members.flatMap(([member, one]) => [encodeURIComponent(member), encoded(one)]).join(',')]];
}

function bodyText(type: string, value: Json): string {
  if (type === 'text/plain') return plain(value);
  if (type !== 'application/x-www-form-urlencoded') return JSON.stringify(value);
  if (!isMembers(value)) throw new Error('the body of a form is an object');
  const form = new URLSearchParams();
  for (const [name, one] of Object.entries(value))
    for (const each of Array.isArray(one) ? (one as readonly Json[]) : [one]) form.append(name, plain(each));
  return form.toString();
}
