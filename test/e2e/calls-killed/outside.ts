/**
 * The outside of a host whose agents are killed: two MCP servers, a server that is asked by HTTP with a key, and a model. Each writes down
 * what it did, so that it can be held against what the host says.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { modelServer } from '../../model-server.ts';
import type { OpenAiServer } from '../../openai-server.ts';
import { realTime } from '../../until.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const DESK = join(ROOT, 'test/mcp/desk.mjs');
/** File of the program by which its process is found. */
export const PROGRAM = 'desk.mjs';
/** Time between two steps of what a server does for a call. */
export const STEP_MS = 40;

export type Where = 'desk' | 'far' | 'crm';
export const ALL: readonly Where[] = ['desk', 'far', 'crm'];

/** A line that a server has written. */
export interface Line {
  readonly where: Where;
  readonly what: 'begins' | 'looks' | 'acts' | 'answers';
  /** The act that it is done for: `q7-0/act-far`. */
  readonly of: string;
  /** The call, if the server is told. */
  readonly call?: string;
  readonly at: number;
}

/** The acts that an agent is asked for, step by step, those of a step at once. `act`: it must be done once. */
const PLAN: readonly (readonly { readonly where: Where; readonly act: boolean; readonly name: string }[])[] = [
  ALL.map((where) => ({ where, act: false, name: `look-${where}` })),
  ...ALL.map((where) => [{ where, act: true, name: `act-${where}` }]),
  ALL.map((where) => ({ where, act: true, name: `also-${where}` })),
];
export const planOf = (question: string) => PLAN.flat().map((one) => ({ ...one, of: `${question}/${one.name}` }));
export const ANSWER = 'All is done.';

export class Outside {
  /** Values that nobody but their servers may have seen at the end. */
  readonly secrets: Readonly<Record<Where, string>> = { desk: canary(), far: canary(), crm: canary() };
  readonly #folder: string;
  readonly #crm: Line[] = [];
  #far: ChildProcess | undefined;
  #farPort = 0;
  #crmPort = 0;
  #model: OpenAiServer | undefined;
  /** Requests to the CRM without its key, which there must not be. */
  readonly strangers: string[] = [];
  /** When a server was gone: what it had begun then, it will not do. */
  readonly gone: { readonly where: Where; readonly at: number }[] = [];

  /** @param folder empty, for what the servers write */
  constructor(folder: string) {
    this.#folder = folder;
    for (const where of ['desk', 'far'] as const) writeFileSync(this.#file(where), '');
  }

  #file(where: Where): string {
    return join(this.#folder, `${where}.log`);
  }

  async open(): Promise<void> {
    this.#model = await modelServer({ reply: ({ body }) => this.#next(body.messages) });
    const server = createServer((request, response) => void this.#asked(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => (server.closeAllConnections(), void server.close()));
    this.#crmPort = (server.address() as AddressInfo).port;
    onTestFinished(() => void this.#far?.kill('SIGKILL'));
    await this.#startFar();
  }

  async #startFar(): Promise<void> {
    const env = { ...process.env, KEY: this.secrets.far };
    const args = [DESK, this.#file('far'), String(STEP_MS), String(this.#farPort)];
    const far = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'], env });
    this.#far = far;
    const [port] = (await once(far.stdout, 'data')) as [Buffer];
    this.#farPort = Number(port.toString());
  }

  /** Kills the server that is elsewhere, and starts it again, as somebody does who watches it. */
  async killFar(): Promise<boolean> {
    const was = this.#far?.kill('SIGKILL') === true;
    if (was) await once(this.#far as ChildProcess, 'exit');
    this.gone.push({ where: 'far', at: Date.now() });
    await this.#startFar();
    return was;
  }

  /** The environment of the host, and its configuration. */
  get env(): NodeJS.ProcessEnv {
    const { desk, far, crm } = this.secrets;
    return { DESK_KEY: desk, FAR_KEY: `Bearer ${far}`, CRM_KEY: crm };
  }
  get config(): object {
    const tools = { look: { readOnly: true } };
    return {
      policies: 'none',
      tenants: { local: { loops: false } },
      secrets: { desk: { env: 'DESK_KEY' }, far: { env: 'FAR_KEY' }, crm: { env: 'CRM_KEY' } },
      models: {
        default: {
          provider: 'openai-compatible',
          base_url: this.#model?.url,
          model: 'm',
          price: { input: 1, output: 1 },
          max_output_tokens: 500,
        },
      },
      mcp: {
        desk: {
          command: 'node',
          args: [DESK, this.#file('desk'), String(STEP_MS)],
          folders: { [ROOT]: 'read', [this.#folder]: 'write' },
          secrets: { KEY: 'desk' },
          tools,
        },
        far: { url: `http://127.0.0.1:${this.#farPort}/mcp`, headers: { authorization: 'far' }, private: true, tools },
      },
      http: { crm: { origins: [this.#crmOrigin], methods: ['GET', 'POST'], secrets: { authorization: 'Bearer {crm}' } } },
    };
  }
  get #crmOrigin(): string {
    return `http://127.0.0.1:${this.#crmPort}`;
  }

  /** All that was written so far. */
  lines(): Line[] {
    const written = (['desk', 'far'] as const).flatMap((where) =>
      readFileSync(this.#file(where), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((text) => ({ ...(JSON.parse(text) as Omit<Line, 'where'>), where })),
    );
    return [...written, ...this.#crm];
  }

  /** Whether nothing more comes of what was begun last for it: it was done, or its server is gone. */
  isOver(of: string): boolean {
    const those = this.lines().filter((line) => line.of === of);
    const last = those.findLast(({ what }) => what === 'begins');
    if (last === undefined) return true;
    const isDone = those.some(({ what, at }) => what === 'answers' && at >= last.at);
    return isDone || this.gone.some(({ where, at }) => where === last.where && at >= last.at);
  }

  async #asked({ method, url = '', headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const of = url.slice(1);
    const note = (what: Line['what']) => void this.#crm.push({ where: 'crm', what, of, at: Date.now() });
    if (headers.authorization !== `Bearer ${this.secrets.crm}`) this.strangers.push(`${method} ${url}`);
    for (const what of ['begins', method === 'POST' ? 'acts' : 'looks'] as const) {
      note(what);
      await realTime(STEP_MS, 'a server that takes a moment over a call');
    }
    note('answers');
    // It is careless as well.
    response.setHeader('x-key', headers.authorization ?? '').end(`done for ${of} with ${headers.authorization}`);
  }

  /** Says what the model says next: it has the next step of the plan done, and again what of it has failed. */
  async #next(messages: readonly Readonly<Record<string, unknown>>[]) {
    const question = String(messages.find(({ role }) => role === 'user')?.['content']);
    const asked = new Map<string, string>();
    const done = new Set<string>();
    let hasFailed = false;
    for (const { role, tool_calls, tool_call_id, content } of messages) {
      if (role === 'assistant') hasFailed = false;
      for (const { id, function: made } of (tool_calls ?? []) as { id: string; function: { arguments: string } }[])
        asked.set(id, ofArguments(JSON.parse(made.arguments) as Arguments));
      if (role !== 'tool') continue;
      const failed = String(content).includes('"error"');
      hasFailed ||= failed;
      if (!failed) done.add(asked.get(String(tool_call_id)) ?? '');
    }
    if (hasFailed) await realTime(RETRY_MS, 'a model that has something tried again');
    const step = PLAN.map((all) => all.filter(({ name }) => !done.has(`${question}/${name}`))).find((all) => all.length > 0);
    if (step === undefined) return ANSWER;
    const calls = step.map(({ where, act, name }) => {
      const of = `${question}/${name}`;
      const said = where === 'crm' ? { method: act ? 'POST' : 'GET', path: `/${of}` } : { of };
      return { name: where === 'crm' ? 'crm' : `${where}_${act ? 'act' : 'look'}`, arguments: JSON.stringify(said) };
    });
    return { calls };
  }
}

const RETRY_MS = 200;
const canary = () => `canary-${randomBytes(12).toString('hex')}`;

interface Arguments {
  readonly of?: string;
  readonly path?: string;
}
/** The act that a call is for, by its arguments. */
export const ofArguments = ({ of, path }: Arguments): string => of ?? path?.slice(1) ?? '';
