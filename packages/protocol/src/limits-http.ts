/** Limits of what agents ask by HTTP, beside limits.ts; a configuration sets its own within them. */
import { limit, type Limit } from './limits.ts';

const MIB = 1024 * 1024;

export const HTTP = {
  http_timeout_ms: limit('time that one request of http:NAME has, its answer included', 30_000, 3_600_000),
  http_connect_ms: limit('time a connection for http:NAME may take to come about', 10_000, 60_000),
  http_header_bytes: limit('headers of one answer to http:NAME', 32 * 1024, 256 * 1024, 1024),
  http_body_bytes: limit('body of one request of http:NAME', MIB, 4 * MIB, 0),
  http_answer_bytes: limit('body of one answer to http:NAME, uncompressed', 4 * MIB, 64 * MIB, 0),
  http_stream_bytes: limit('the same, where it is read part by part', 64 * MIB, 4096 * MIB, 0),
  http_connections: limit('connections of one http:NAME to one origin; more requests wait', 64, 1_000),
  openapi_bytes: limit('an OpenAPI document', 8 * MIB, 64 * MIB),
  openapi_operations: limit('operations of one OpenAPI document that become tools', 512, 2_000),
} as const satisfies Record<string, Limit>;
