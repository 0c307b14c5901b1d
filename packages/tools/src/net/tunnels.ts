/**
 * A proxy for a program that has no network: it opens tunnels to the origins that a configuration names (CONNECT, RFC 9110), through the guard of
 * guarded.ts, and passes bytes on unread in both directions. It answers nothing else.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { MCP } from '@corral/protocol/limits-mcp';
import { allowedAt, type AllowedOrigin } from '../http/request.ts';
import { guardedConnect, type GuardOptions } from './guarded.ts';

export interface TunnelOptions extends GuardOptions {
  readonly origins: readonly AllowedOrigin[];
  /** Is told which connection was refused, and why. */
  readonly refused: (text: string) => void;
}

const HEADER_BYTES = 8_192;
/** Time for the request, and time in which nothing passes before a tunnel is closed. */
const REQUEST_MS = 10_000;
const IDLE_MS = 300_000;
/** A host and a port, and nothing else. */
const TARGET = /^(?:[^\s/?#@:[\]]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/;
const TOLD_CHARS = 300;

const answer = (status: string, text = ''): string =>
  `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;

export class Tunnels {
  readonly #options: TunnelOptions;
  readonly #server: Server;
  #open = 0;

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#server = createServer({ maxHeaderSize: HEADER_BYTES }, (_request, response) => {
      response.writeHead(405, { allow: 'CONNECT', connection: 'close' }).end('This proxy opens tunnels alone: ask by https.\n');
    });
    this.#server.on('connect', (request, socket, head) => this.#connect(request, socket, head));
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** A connection of the program. */
  take(connection: NodeJS.ReadWriteStream): void {
    const socket = connection as Socket;
    socket.on('error', () => socket.destroy());
    // A program that does not close its side keeps no descriptor of the host.
    if (this.#open >= MCP.tunnels.default)
      return void socket.end(answer('503 Service Unavailable', 'Too many tunnels are open.\n'), () => socket.destroy());
    this.#open += 1;
    socket.once('close', () => (this.#open -= 1));
    socket.setTimeout(REQUEST_MS, () => socket.destroy());
    this.#server.emit('connection', socket);
  }

  #connect({ url = '' }: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { origins, refused } = this.#options;
    const refuse = (status: string, why: string) => {
      refused(`a connection to ${JSON.stringify(url.slice(0, TOLD_CHARS))} was refused: ${why}`);
      socket.end(answer(status, `${why}.\n`));
    };
    const to = TARGET.test(url) ? URL.parse(`https://${url}`) : null;
    if (to === null) return refuse('400 Bad Request', 'it is not a host with a port');
    const allowed = allowedAt(origins, to.origin);
    if (allowed === undefined) return refuse('403 Forbidden', `${to.origin} is none of the origins that the configuration names`);
    const { hostname, host, port } = to;
    guardedConnect(allowed, this.#options)(
      { hostname, host, protocol: 'http:', port: port === '' ? '443' : port },
      (...[error, upstream]) => {
        if (error !== null) return refuse('502 Bad Gateway', error.message.replace(/\.$/, ''));
        if (socket.destroyed) return void upstream.destroy();
        const end = () => {
          socket.destroy();
          upstream.destroy();
        };
        for (const one of [socket, upstream]) {
          one.on('error', end).on('close', end);
          (one as Socket).setTimeout(IDLE_MS, end);
        }
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        if (head.length > 0) upstream.write(head);
        socket.pipe(upstream).pipe(socket);
      },
    );
  }
}
