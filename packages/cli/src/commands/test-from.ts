/** `corral test from RUN`: a test and its fixture, from a run of a host. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Client } from '@corral/protocol/api/client';
import type { Fixture } from '@corral/protocol/api/fixtures';
import { CorralError } from '@corral/protocol/errors';
import { printable } from '@corral/protocol/printable';
import type { RunId } from '@corral/protocol/ids';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { namedFile } from '../paths.ts';
import { runsOf } from '../run-pages.ts';

interface Flags extends HostFlags {
  readonly agent: string;
  readonly out: string;
  readonly withPrivate?: boolean;
}

export function testFromCommand(test: Command): void {
  hostFlags(test.command('from'))
    .description('write a test and its fixture from a run of a host: its input, what its tools answered, how it ended')
    .argument('<run>', 'a run that has ended')
    .requiredOption('--agent <file>', 'the module of the agent')
    .option('--out <folder>', 'where to', 'agents/tests')
    .option('--with-private', 'with the private data that the run has read; only for the owner of all of it')
    .addHelpText(
      'after',
      `
The test needs no host and no network. It fails where the agent asks for something else than it did, or ends otherwise.
Private data is left out, by label: results keep their shape, and arguments and output that may hold some are not compared.

Example:
  corral test from run_3k9x7m2p4q5r --agent agents/buyer.ts`,
    )
    .action(async (run: RunId, flags: Flags) => {
      await namedFile(flags.agent);
      const client = connect(flags);
      const fixture = await client.runFixture({ params: { run }, query: flags.withPrivate === true ? { private: 'include' } : {} });
      await mustRepeat(client, run, fixture);
      // Not *.test.ts: other runners take such files, and find nothing of theirs in them.
      // Files are named, and the test is written, by the id that was typed: the answer is data of another machine.
      const [test, data] = [join(flags.out, `${run}.ts`), join(flags.out, `${run}.fixture.json`)];
      for (const file of [test, data]) if (existsSync(file)) throw new CorralError('CORRAL_USAGE', `${file} exists already.`);
      await mkdir(flags.out, { recursive: true });
      const agent = relative(resolve(flags.out), resolve(flags.agent));
      await writeFile(data, `${JSON.stringify(fixture, null, 2)}\n`, { flag: 'wx' });
      await writeFile(test, testOf(run, agent), { flag: 'wx' });
      const hidden = fixture.calls.filter((call) => call.input_hidden || call.result_hidden).length;
      const left =
        hidden === 0
          ? ''
          : `\n${hidden} of ${fixture.calls.length} calls hold private data of ${printable(fixture.private_to.join(', '))}, which is left out.`;
      print(flags, { test, fixture: data, hidden }, () => `${test}\n${data}${left}`);
    });
}

/**
 * The test has recorded answers for the run's own calls of tools alone.
 * @throws CORRAL_USAGE if the run also had answers of a service, or of a child whose tools would have to answer again
 */
async function mustRepeat(client: Client, run: RunId, { calls }: Fixture): Promise<void> {
  const service = calls.find(({ tool }) => tool.startsWith('service:'));
  if (service !== undefined)
    throw new CorralError(
      'CORRAL_USAGE',
      `${run} was answered by ${printable(service.tool)}, and a test has no service that would answer again. Write a test of the service by itself (\`send\` of agentUnderTest), and one of the agent from a run that does without it.`,
    );
  for await (const child of runsOf(client, { parent: run })) {
    const of = await client.runFixture({ params: { run: child.run } });
    if (of.calls.length > 0)
      throw new CorralError(
        'CORRAL_USAGE',
        `${run} had a child, ${printable(child.agent)} (${child.run}), that called ${printable(of.calls[0]?.tool ?? '')}, and the test would have no answers for it. Take the child’s run instead: \`corral test from ${child.run} --agent FILE\`; or write a test of the parent with fakes (agentUnderTest).`,
      );
    await mustRepeat(client, child.run, of);
  }
}

const testOf = (run: string, agent: string): string => `import { test } from 'node:test';
import { repeats } from '@corral/testing';

test('the agent does what it did in ${run}', async () => {
  await repeats(new URL(${JSON.stringify(agent)}, import.meta.url), new URL('${run}.fixture.json', import.meta.url));
});
`;
