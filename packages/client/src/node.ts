/** The connection of a program on Node to a host: HTTP over the socket in its data folder, or to an address. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { createClient, type Client, type Transport, type WireResponse } from '@corral/protocol/api/client';
import { CorralError } from '@corral/protocol/errors';

export { ApiError, createClient, type Client, type Transport } from '@corral/protocol/api/client';
export { CorralError } from '@corral/protocol/errors';

export type Address = { readonly socket: string } | { readonly url: string };

// An import of node:http would also load what its lazy members need, undici among it, which costs a command 25 ms of CPU.
const { request: plain } = process.getBuiltinModule('node:http');
const { request: secure } = process.getBuiltinModule('node:https');

/** A client of the host at an address, or on the socket in its data folder (`.corral/corral.sock`). */
export function connect({
  token,
  private_reason,
  ...address
}: Address & { readonly token?: string; readonly private_reason?: string }): Client {
  return createClient(transportTo(address), token, private_reason);
}

const CONNECT_CODES = new Set(['ENOENT', 'ECONNREFUSED', 'EACCES', 'ENOTFOUND', 'EHOSTUNREACH', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE']);

export function transportTo(address: Address): Transport {
  return ({ method, path, headers, body, signal }) =>
    new Promise<WireResponse>((resolve, reject) => {
      const options = {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }) },
        ...(signal === undefined ? {} : { signal }),
      };
      const fail = (error: NodeJS.ErrnoException) => {
        if (signal?.aborted === true || !CONNECT_CODES.has(error.code ?? '')) {
          reject(error);
          return;
        }
        const where = 'socket' in address ? address.socket : address.url;
        reject(
          new CorralError(
            'CORRAL_UNREACHABLE',
            error.code === 'EACCES' ? `${where} belongs to somebody else.` : `No Corral answers on ${where}.`,
            { cause: error },
          ),
        );
      };
      const answered = (message: IncomingMessage) => {
        message.on('error', fail);
        resolve({
          status: message.statusCode ?? 0,
          text: async () => {
            const chunks: Buffer[] = [];
            for await (const chunk of message) chunks.push(chunk as Buffer);
            return Buffer.concat(chunks).toString('utf8');
          },
          lines: () => linesOf(message),
        });
      };
      let sent: ClientRequest;
      if ('socket' in address)
        sent = plain({ ...options, socketPath: address.socket, path, headers: { ...options.headers, host: 'localhost' } }, answered);
      else {
        const url = new URL(path, address.url);
        sent = (url.protocol === 'https:' ? secure : plain)(url, options, answered);
      }
      sent.on('error', fail);
      sent.end(body);
    });
}

/** The lines of an answer as they arrive, until either side closes it. */
async function* linesOf(message: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  message.setEncoding('utf8');
  try {
    for await (const chunk of message) {
      const lines = `${rest}${chunk as string}`.split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET' && (error as Error).name !== 'AbortError') throw error;
  }
}
