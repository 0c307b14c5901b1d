/**
 * The requests that a host makes to an MCP server elsewhere, and to its authorization server: guarded as the requests of agents are, by https
 * and to public addresses alone unless the configuration says otherwise, and with a bound on what comes back.
 */
import { MACHINE } from '@corral/protocol/limits';
import { HTTP } from '@corral/protocol/limits-http';
import { MCP } from '@corral/protocol/limits-mcp';
import { rangeOf } from '@corral/tools/net/addresses';
import { AddressRefused, guardedFetch, type Fetch, type Resolve } from '@corral/tools/net/guarded';

/** Every address that a configuration can allow. */
const ANY = ['0.0.0.0/0', '::/0'].flatMap((text) => rangeOf(text) ?? []);

const BOUNDS = {
  connect_ms: HTTP.http_connect_ms.default,
  header_bytes: HTTP.http_header_bytes.default,
  // A call has a timeout of its own, by which its request is given up.
  timeout_ms: MACHINE.call_timeout_ms.max,
};

/** @param mayBePrivate the servers may be on this machine or in a private network, and may be reached by http */
export function boundedFetch(mayBePrivate: boolean, resolve: Resolve | undefined): Fetch {
  const ask = guardedFetch(mayBePrivate ? ANY : [], { ...BOUNDS, resolve });
  return async (url, init) => {
    const { host, protocol } = new URL(url);
    if (!mayBePrivate && protocol !== 'https:')
      throw new AddressRefused(`${host} is not reached by https; \`private: true\` of the server allows that.`);
    return bounded(await ask(url, init));
  };
}

/** The response, whose body ends with an error once it is larger than one message may be. */
function bounded(response: Response): Response {
  if (response.body === null) return response;
  const most = MCP.message_bytes.default;
  let bytes = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > most) controller.error(new Error(`The server answered with more than ${most} bytes.`));
      else controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(counted), { status, statusText, headers });
}
