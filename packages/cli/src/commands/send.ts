/** `corral send`: sends a message to an instance of a service, as the caller, and prints its reply. */
import type { Command } from 'commander';
import { connect, hostFlags, jsonArgument, print, type HostFlags } from '../connect.ts';
import { spanArgument } from '../selector.ts';
import { EXIT } from '../failure.ts';
import { printable } from '../screen/table.ts';
import { withheldText } from '../screen/withheld.ts';
import { inTenant } from './agents.ts';
import { outcomeText } from '@corral/protocol/model/outcome-text';

interface SendFlags extends HostFlags {
  readonly tenant?: string;
  readonly key?: string;
  readonly wait?: string;
}

export function sendCommand(program: Command): void {
  hostFlags(program.command('send'))
    .description('send a message to a service and print its reply')
    .argument('<service>', 'its name')
    .argument('<key>', 'key of the instance; it is created if it does not exist')
    .argument('<handler>', 'name of the handler')
    .argument('[message]', 'the message as JSON, or @FILE', 'null')
    .option('--key <text>', 'an idempotency key: the same message is sent once, however often the command is given')
    .option('--wait <time>', 'how long to wait for the reply: milliseconds, or 30s, 5m', '30000')
    .option('--tenant <name>', 'for hosts with several tenants')
    .addHelpText(
      'after',
      `
You send as yourself: policies, budgets and approvals apply as they do to an agent, and a run of its own keeps the evidence.

Examples:
  corral send claims customer-12 claim '{"id":"a","amount":12}'
  corral send claims customer-12 claim @claim.json --json | jq .outcome.output`,
    )
    .action(async (service: string, key: string, handler: string, message: string, flags: SendFlags) => {
      const sent = await connect(flags).sendToService({
        params: { service, key, handler },
        query: { ...inTenant(flags), wait_ms: spanArgument('--wait', flags.wait ?? '', 'ms') },
        body: await jsonArgument('the message', message),
        headers: flags.key === undefined ? {} : { 'idempotency-key': flags.key },
      });
      const { run, outcome, withheld } = sent;
      print(flags, sent, () => {
        if (outcome === null) return `${run} still waits for the reply; \`corral show ${run}\` says what for.`;
        if (withheld !== undefined) return withheldText(withheld);
        if (outcome.kind === 'completed') return JSON.stringify(outcome.output, null, 2);
        return `${outcomeText(outcome)} ${'message' in outcome ? printable(outcome.message) : ''}`.trim();
      });
      if (outcome?.kind !== 'completed') process.exitCode = EXIT.outcome;
    });
}
