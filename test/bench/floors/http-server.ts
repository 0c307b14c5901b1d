/** A server for benchmarks, in a process of its own so that its time is not the host's: prints its address, then answers with 1 KiB of JSON. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const BODY = JSON.stringify({ items: Array.from({ length: 32 }, (_, i) => ({ id: i, name: `item ${i}` })) });
const server = createServer((_, response) => void response.setHeader('content-type', 'application/json').end(BODY));
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`));
