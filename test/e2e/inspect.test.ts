/** `corral replay --inspect`, seen from a debugger: what a person meets who attaches to it. */
import { expect, test } from 'vitest';
import { corral, counted, folder } from '../command.ts';
import { within } from '../until.ts';

/** The part of the Chrome DevTools Protocol that is needed. */
class Inspector {
  readonly scripts: { readonly url: string; readonly scriptId: string; readonly sourceMapURL: string }[] = [];
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (result: unknown) => void>();
  readonly #events = new Map<string, (params: unknown) => void>();
  #id = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data)) as { id?: number; result?: unknown; method?: string; params?: never };
      if (message.id !== undefined) this.#answers.get(message.id)?.(message.result);
      else if (message.method === 'Debugger.scriptParsed') this.scripts.push(message.params as never);
      else this.#events.get(message.method ?? '')?.(message.params);
    };
  }
  static async open(url: string): Promise<Inspector> {
    const socket = new WebSocket(url);
    const open = new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
    await within(open, 'the debugger takes a connection');
    return new Inspector(socket);
  }
  send(method: string, params: object = {}): Promise<unknown> {
    this.#id += 1;
    const answer = new Promise((resolve) => this.#answers.set(this.#id, resolve));
    this.#socket.send(JSON.stringify({ id: this.#id, method, params }));
    return within(answer, `the answer to ${method}`);
  }
  /** Sends something and waits for an event that follows from it. */
  async until(event: string, method: string): Promise<unknown> {
    const happened = new Promise((resolve) => this.#events.set(event, resolve));
    await this.send(method);
    return within(happened, `${event} after ${method}`);
  }
  close(): void {
    this.#socket.close();
  }
}

test('brings a debugger to the author’s own lines', async () => {
  const f = await folder();
  const run = await counted(f);
  const { promise: url, resolve: listens } = Promise.withResolvers<string>();
  const ended = corral(['replay', run, '--data', f.data, '--inspect', '127.0.0.1:0'], (err) => {
    const address = /Debugger listening on (ws:\S+)[\s\S]*Nothing it asked for has left/.exec(err)?.[1];
    if (address !== undefined) listens(address);
  });
  const early = ended.then(({ err }) => Promise.reject(new Error(`The command ended before there was a debugger: ${err}`)));
  const inspector = await Inspector.open(await within(Promise.race([url, early]), 'the command listens for a debugger'));
  await inspector.send('Debugger.enable');
  const paused = [await inspector.until('Debugger.paused', 'Runtime.runIfWaitingForDebugger')];
  paused.push(await inspector.until('Debugger.paused', 'Debugger.resume'));
  const script = inspector.scripts.find(({ url: name }) => name === 'agent.js');
  const map = JSON.parse(Buffer.from(script?.sourceMapURL.split(',')[1] ?? '', 'base64').toString()) as {
    sources: string[];
    sourcesContent: string[];
  };
  const own = map.sources.findIndex((source) => source.endsWith('/counter.ts'));
  expect(map.sourcesContent[own]).toContain('counting to');
  // The bundle is one line; the breakpoint is where the author's loop adds up.
  const { scriptSource } = (await inspector.send('Debugger.getScriptSource', { scriptId: script?.scriptId })) as { scriptSource: string };
  const line = scriptSource.split('\n').find((one) => one.includes('counting to')) ?? '';
  const location = {
    scriptId: script?.scriptId,
    lineNumber: scriptSource.split('\n').indexOf(line),
    columnNumber: line.indexOf('sum+='),
  };
  const { breakpointId } = (await inspector.send('Debugger.setBreakpoint', { location })) as { breakpointId: string };
  const hit = (await inspector.until('Debugger.paused', 'Debugger.resume')) as {
    hitBreakpoints: string[];
    callFrames: { callFrameId: string }[];
  };
  expect(hit.hitBreakpoints).toEqual([breakpointId]);
  const expression = { callFrameId: hit.callFrames[0]?.callFrameId, expression: 'JSON.stringify({ i, sum, process: typeof process })' };
  const { result } = (await inspector.send('Debugger.evaluateOnCallFrame', expression)) as { result: { value: string } };
  expect(JSON.parse(result.value)).toEqual({ i: 1, sum: 0, process: 'undefined' });
  await inspector.send('Debugger.removeBreakpoint', { breakpointId });
  await inspector.until('Debugger.paused', 'Debugger.resume');
  const { result: last } = (await inspector.send('Runtime.evaluate', { expression: 'JSON.stringify(journal.seen)' })) as {
    result: { value: string };
  };
  expect(JSON.parse(last.value)).toEqual([{ kind: 'finish', output: { sum: 6 } }]);
  await inspector.send('Debugger.resume');
  inspector.close();
  expect(await within(ended, 'the command ends')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/crank 1 [\s\S]*crank 4 .*✓/) as string,
  });
});
