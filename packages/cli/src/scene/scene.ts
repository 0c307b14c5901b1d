/**
 * `corral demo`, which `npm start` runs: a scene in which the visitor is the attacker. It prints one link and stays up. The link has a code that
 * signs a browser in once; it is in the fragment, which browsers send to nobody.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { EXIT } from '../failure.ts';
import { duration } from '../screen/table.ts';
import { namedModel, type NamedModel } from '../named-model.ts';
import { serveOutside } from './outside.ts';
import { HostProcess, type Started } from './process.ts';
import { OBEYS } from './script.ts';
import { CLERK, fileOf, TASK, writeConfig } from './setting.ts';
import { World, type Bare } from './world.ts';

const SECRET_BYTES = 24;
const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url');
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** A signal that comes again within this time is the same one: npm forwards those that a terminal has given to the whole group already. */
const SAME_SIGNAL_MS = 1_000;

export async function scene(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-'));
  const model = namedModel(process.env, OBEYS);
  const world = new World({ model: { said: model.said, gullible: model.gullible }, bare: bareOf(model), kill: () => host.kill() });
  const secret = newSecret();
  const server = await serveOutside(world, secret);
  const config = await writeConfig(folder, model);
  const host = new HostProcess({ data: join(folder, 'data'), config, outside: { url: server.url, secret } });
  const quiet = onSignals(() => host.stop());
  let url = '';
  const keys = onEnter(() => say(linkOf(world, url)));
  say('Starting a host …');
  try {
    await host.run((started) => {
      ({ url } = started.said);
      Object.assign(world.host, { starts: world.host.starts + 1, pid: started.pid, up_at: Date.now() });
      say(
        world.host.starts === 1
          ? greeting(started, linkOf(world, url))
          : `The host is back after ${duration(started.took_ms)}, with all of its runs.`,
      );
    });
    return EXIT.ok;
  } finally {
    keys();
    quiet();
    server.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** All that it needs is loaded when a visitor first asks for it, so that the link is there sooner. */
function bareOf({ config, variable = '' }: NamedModel): Bare {
  const make = async (): Promise<Bare> => {
    const [{ bareClerk }, { bundleAgent }, { toolOf }] = await Promise.all([
      import('./bare.ts'),
      import('../bundle.ts'),
      import('../shop-model.ts'),
    ]);
    return bareClerk((await bundleAgent(fileOf(CLERK))).source, toolOf(config, process.env[variable] ?? ''), TASK);
  };
  let made: Promise<Bare> | undefined;
  return async (...of) => (await (made ??= make()))(...of);
}

/** A link that signs a browser in, once. */
function linkOf(world: World, url: string): string {
  const code = newSecret();
  world.offer(code);
  return `${url}/console/scene#once=${code}`;
}

function greeting({ said, took_ms }: Started, link: string): string {
  const bold = (text: string) => styleText('bold', text, { stream: process.stdout });
  return [
    '',
    bold('Corral is up. You are the attacker: open this link, and write the mail that an agent reads.'),
    '',
    `  ${link}`,
    '',
    `It signs one browser in, once${process.stdin.isTTY ? '; Enter prints another' : ''}. Ctrl-C ends everything. Up after ${duration(took_ms)} · ${said.walls}`,
    'For machines, `npm start -- --once` runs a crew of agents on real work beside agents that misbehave, and ends.',
  ].join('\n');
}

/** @returns what ends it */
function onSignals(stop: () => void): () => void {
  let told: number | undefined;
  const heard = () => {
    const at = performance.now();
    if (told !== undefined && at - told < SAME_SIGNAL_MS) return;
    // A second one ends the process at once, and its host with it.
    if (told !== undefined) process.exit(EXIT.interrupted);
    told = at;
    stop();
  };
  for (const signal of SIGNALS) process.on(signal, heard);
  return () => {
    for (const signal of SIGNALS) process.off(signal, heard);
  };
}

/** @returns what ends it */
function onEnter(pressed: () => void): () => void {
  if (!process.stdin.isTTY) return () => undefined;
  process.stdin.on('data', pressed);
  return () => {
    process.stdin.off('data', pressed);
    process.stdin.unref();
  };
}
