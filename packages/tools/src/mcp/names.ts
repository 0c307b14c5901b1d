/** Names of an MCP server's tools on the host. A server may use upper case there and longer names; the host may not. */
import { ToolName } from '@corral/protocol/ids';

/** `getIssue` of the server `jira` is `jira.get_issue`. @returns undefined if nothing of it can be a name */
export function toolNameOf(server: string, name: string): string | undefined {
  const own = name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9._/-]/g, '_');
  const full = `${server}.${own}`;
  return own === '' || !ToolName.safeParse(full).success ? undefined : full;
}

/** The tool as agents that hold all tools of the server name it: `get_issue`. */
export const memberOf = (server: string, tool: string): string => tool.slice(server.length + 1);
