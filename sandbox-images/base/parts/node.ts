/**
 * Globals of Node that packages read when they are loaded. `process` tells nothing of the host: its environment is empty, and it states
 * no version of Node, by which packages would take the isolate for one.
 */
const nothing = () => process;
const now = () => performance.now();

const process = {
  env: {},
  argv: [],
  execArgv: [],
  title: 'corral',
  pid: 1,
  ppid: 0,
  platform: 'linux',
  arch: 'x64',
  version: '',
  versions: {},
  release: {},
  features: {},
  config: {},
  exitCode: undefined,
  stdin: { isTTY: false },
  stdout: { isTTY: false, write: (text: unknown) => (console.log(text), true) },
  stderr: { isTTY: false, write: (text: unknown) => (console.error(text), true) },
  cwd: () => '/',
  uptime: () => now() / 1000,
  hrtime: Object.assign(
    () => {
      const ms = now();
      return [Math.trunc(ms / 1000), Math.trunc((ms % 1000) * 1e6)];
    },
    { bigint: () => BigInt(Math.trunc(now() * 1e6)) },
  ),
  nextTick: (then: (...args: unknown[]) => void, ...args: unknown[]) => queueMicrotask(() => then(...args)),
  emitWarning: (warning: unknown) => console.warn(warning),
  on: nothing,
  once: nothing,
  off: nothing,
  addListener: nothing,
  prependListener: nothing,
  removeListener: nothing,
  removeAllListeners: nothing,
  emit: () => false,
  listeners: () => [],
  listenerCount: () => 0,
  exit: (code?: number) => {
    throw new Error(`process.exit(${code ?? ''}): an agent ends when its run function returns or throws.`);
  },
};

export default function make(): Record<string, unknown> {
  return {
    process,
    setImmediate: (then: (...args: unknown[]) => void, ...args: unknown[]) => setTimeout(then, 0, ...args),
    clearImmediate: (handle: number) => clearTimeout(handle),
  };
}
