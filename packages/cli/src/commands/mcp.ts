/** `corral mcp`: a host as an MCP server on standard streams, for editors and other agents on this machine. */
import type { Command } from 'commander';
import { connect, hostFlags, type HostFlags } from '../connect.ts';

export function mcpCommand(program: Command): void {
  hostFlags(program.command('mcp'))
    .description('serve a host to an editor or another agent by MCP on standard streams, with the rights of the token')
    .addHelpText('after', `\nExample:\n  corral mcp --url https://corral.example.com`)
    .action(async (flags: HostFlags) => {
      const client = connect(flags);
      // Fails at once, in a sentence, where nobody answers or the token is not valid.
      await client.whoAmI({});
      const [{ serveStdio }, { mcpDoor }] = await Promise.all([import('@corral/server/mcp/stdio'), import('@corral/server/mcp/door')]);
      const { promise, resolve } = Promise.withResolvers<void>();
      process.stdin.once('close', resolve).once('end', resolve);
      const served = serveStdio(() => mcpDoor(client));
      await promise;
      await served.close();
    });
}
