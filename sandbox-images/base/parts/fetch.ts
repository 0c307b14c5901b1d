/**
 * The classes of fetch (https://fetch.spec.whatwg.org), which are undici's: Headers, Request, Response, FormData. `fetch` itself is not
 * here, since an isolate can reach nothing by itself.
 */
// Response before the others: its converters need those that it loads.
import { Response } from 'undici/lib/web/fetch/response.js';
import { Headers } from 'undici/lib/web/fetch/headers.js';
import { Request } from 'undici/lib/web/fetch/request.js';
import { FormData } from 'undici/lib/web/fetch/formdata.js';

export default function make(): Record<string, unknown> {
  return { Headers, Request, Response, FormData };
}
