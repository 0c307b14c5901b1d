/** `corral up`: starts a host with a front door and runs until a signal. */
import type { Command } from 'commander';
import { CorralError } from '@corral/protocol/errors';
import { didYouMean } from '@corral/protocol/nearest';
import { configHere, dataFolder, DATA } from '../connect.ts';
import { spanArgument } from '../selector.ts';

const DEFAULT_PORT = 7070;
const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

interface Flags {
  readonly data?: string;
  readonly config?: string;
  readonly port: string;
  readonly host?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly plaintext?: boolean;
  readonly read?: string;
  readonly write?: string;
  readonly drain: string;
  readonly requireWalls?: string;
  readonly oneWall?: boolean;
  readonly log: string;
  readonly json?: boolean;
}

export function upCommand(program: Command): void {
  program
    .command('up')
    .description('start a host: HTTP on a socket in its data folder, and on a port of this machine')
    .option('--data <folder>', `data folder (by default $CORRAL_DATA, else ${DATA})`)
    .option('--config <file>', 'corral.config.ts or JSON (by default corral.config.ts here, if there is one)')
    .option('--port <number>', 'the port; 0: any free one', String(DEFAULT_PORT))
    .option('--host <address>', 'listen on another address than 127.0.0.1; needs TLS, or --plaintext')
    .option('--tls-cert <file>', 'certificate, PEM')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--plaintext', 'listen without TLS on an address that others can reach; for use behind a proxy that does TLS')
    .option('--read <folder>', 'offer fs.read and fs.list below this folder')
    .option('--write <folder>', 'offer fs.write below this folder')
    .option(
      '--drain <time>',
      'how long calls under way may take to finish after SIGTERM: milliseconds, or 30s, 5m; a second signal ends at once',
      '10000',
    )
    .option('--require-walls <list>', 'do not start unless all of these walls stand, such as bubblewrap,seccomp,cgroup-memory')
    .option('--one-wall', 'start although only the isolate stands around agents, for several tenants or on an address beyond this machine')
    .option('--log <level>', `lines of the log on stderr: ${LEVELS.join(', ')}`, 'info')
    .option('--json', 'print one line of JSON once it is up; the log is JSON on a terminal, too')
    .addHelpText('after', `\nExample:\n  corral up --data /var/lib/corral --port ${DEFAULT_PORT}`)
    .action(async (flags: Flags) => {
      const port = Number(flags.port);
      if (!Number.isInteger(port) || port < 0 || port > 65_535)
        throw new CorralError('CORRAL_USAGE', `--port takes a number from 0 to 65535, not ${flags.port}.`);
      const log = LEVELS.find((level) => level === flags.log);
      if (log === undefined)
        throw new CorralError('CORRAL_USAGE', `--log takes ${LEVELS.join(', ')}, not ${flags.log}.${didYouMean(flags.log, LEVELS)}`);
      const config = configHere(flags.config);
      const { up } = await import('@corral/server/main');
      await up({
        ...flags,
        log,
        data: dataFolder(flags),
        port,
        drain: spanArgument('--drain', flags.drain, 'ms'),
        ...(config === undefined ? {} : { config }),
      });
    });
}
