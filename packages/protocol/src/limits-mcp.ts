/** Limits of MCP servers. They are in a file of their own because limits.ts is as long as a file may be. */
import type { Limit } from './limits.ts';

const MIB = 1024 * 1024;

export const MCP = {
  message_bytes: { about: 'one message of an MCP server; a larger one ends the connection', default: 16 * MIB, min: 1, max: 64 * MIB },
  connect_ms: { about: 'time an MCP server has to be connected, and to list its tools', default: 30_000, min: 1, max: 600_000 },
  connections: { about: 'tenants for which a host keeps a connection to one MCP server at once', default: 16, min: 1, max: 1_000 },
  login_ms: { about: 'time a person has to sign in at an MCP server', default: 600_000, min: 1, max: 3_600_000 },
  tunnels: {
    about: 'connections that one program of an MCP server has open at once to the origins it may reach',
    default: 64,
    min: 1,
    max: 1_000,
  },
} as const satisfies Record<string, Limit>;
