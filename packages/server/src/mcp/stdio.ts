/** MCP on the standard streams of this process. */
export { serveStdio } from '@modelcontextprotocol/server/stdio';
