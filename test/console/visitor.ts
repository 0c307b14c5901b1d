/** The scene of `npm start` in a process of its own, as a visitor has it: what it printed, and a browser that its link has signed in. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { BrowserContextOptions } from 'playwright-core';
import { FROM_SOURCES } from '../command.ts';
import { found } from '../until.ts';
import { temporary } from '../world.ts';

export interface Demo {
  readonly child: ChildProcess;
  readonly url: string;
  /** As it was printed. */
  readonly link: string;
  readonly out: () => string;
  /** Its code, once it has ended. */
  readonly ended: Promise<number | null>;
  /** Its folder for temporary files. */
  readonly temp: string;
}

/** `npm start` on a machine without keys of providers. @param finished takes what ends it @param more of its environment */
export async function demo(finished: (end: () => void | Promise<void>) => void, more: NodeJS.ProcessEnv = {}): Promise<Demo> {
  const temp = await temporary(finished);
  const [program = '', ...args] = [...FROM_SOURCES, 'demo'];
  const env = { ...process.env, TMPDIR: temp, ANTHROPIC_API_KEY: '', OPENAI_API_KEY: '', ...more };
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  finished(async () => {
    child.kill('SIGINT');
    await ended;
  });
  const link = await found(() => /http:\S+#once=\S+/.exec(out)?.[0], 'it prints a link');
  return { child, url: link.split('/console/')[0] ?? '', link, out: () => out, ended, temp };
}

/** The session that a browser gets for the link, for browsers of several tests. */
export async function session({ url, link }: Demo): Promise<BrowserContextOptions> {
  const answer = await fetch(`${url}/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify({ token: link.split('#once=')[1] }),
  });
  const [name = '', value = ''] = (answer.headers.get('set-cookie') ?? '').split(';')[0]?.split('=') ?? [];
  const cookie = { name, value, domain: '127.0.0.1', path: '/', expires: -1, httpOnly: true, secure: false, sameSite: 'Strict' } as const;
  const { key } = (await answer.json()) as { readonly key: string };
  return { storageState: { cookies: [cookie], origins: [{ origin: url, localStorage: [{ name: 'corral.session', value: key }] }] } };
}
