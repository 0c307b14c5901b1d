/** Advice about how a run ended: the next step. Pure: `corral why` has it from a host, and commands with a host of their own from here. */
import { ERRORS, isErrorCode } from '@corral/protocol/errors';
import { CEILINGS } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';

const NO_MODULES = 'write `import … from`: the bundler puts what is imported into the agent';
const NO_FILES = 'import data as JSON, or read files by a tool such as `tool:fs.read`';

const NO_NETWORK = 'name a tool of the host in `uses`, and call it by `caps`';
const NO_STORAGE =
  'what a run has to remember is in its variables, which outlive crashes; what others are to find, a tool of the host keeps';
const NO_WORKER = 'start a child by `spawn`, and write to it by `send`';
const NO_PAGE = 'an agent has no page; take the entry of the package for servers or workers';
const NO_OTHER_RUNTIME = 'take the entry of the package for the web, if it has one';
const NOT_DETERMINISTIC = 'its results would depend on the machine, and a run must be the same when it is made again from its journal';

/** Names that code for Node or a browser expects, and what an agent has instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  process: 'settings are part of its input, and secrets stay with the tools of the host, which use them for it',
  require: NO_MODULES,
  module: NO_MODULES,
  exports: NO_MODULES,
  __dirname: NO_FILES,
  __filename: NO_FILES,
  global: 'write `globalThis`',
  Buffer: 'use `Uint8Array`, with `TextEncoder` and `TextDecoder` for texts, and `btoa` and `atob` for base64',
  fetch: NO_NETWORK,
  XMLHttpRequest: NO_NETWORK,
  WebSocket: NO_NETWORK,
  EventSource: NO_NETWORK,
  localStorage: NO_STORAGE,
  sessionStorage: NO_STORAGE,
  indexedDB: NO_STORAGE,
  caches: NO_STORAGE,
  Worker: NO_WORKER,
  MessageChannel: NO_WORKER,
  BroadcastChannel: NO_WORKER,
  importScripts: NO_MODULES,
  window: NO_PAGE,
  document: NO_PAGE,
  navigator: NO_PAGE,
  location: NO_PAGE,
  FileReader: 'read a `Blob` by its `text()`, `arrayBuffer()` or `stream()`',
  CompressionStream: 'import a package that compresses in JavaScript, such as fflate',
  DecompressionStream: 'import a package that decompresses in JavaScript, such as fflate',
  WebAssembly: 'take a build of the package in JavaScript, or have a tool of the host compute it',
  setImmediate: 'use `setTimeout(then, 0)` or `queueMicrotask`',
  WeakRef: NOT_DETERMINISTIC,
  FinalizationRegistry: NOT_DETERMINISTIC,
  SharedArrayBuffer: NOT_DETERMINISTIC,
  Atomics: NOT_DETERMINISTIC,
  Deno: NO_OTHER_RUNTIME,
  Bun: NO_OTHER_RUNTIME,
};

/** Explains a ReferenceError about a name that Node or a browser has and an agent has not. */
export function missingName(message: string): string[] {
  const [, name = ''] = /(?:^|\s)(\w+) is not defined\b/.exec(message) ?? [];
  if (!Object.hasOwn(INSTEAD, name)) return [];
  return [`An agent runs in an isolate, which has no \`${name}\`: ${INSTEAD[name]}.`];
}

/** The limit of CPU time of a crank, in milliseconds, with which a run would get further; undefined where it ended otherwise. */
function moreForACrank(outcome: Outcome): number | undefined {
  if (outcome.kind !== 'exceeded') return undefined;
  const [, crank] = /^(?:One crank|Loading its bundle) used .*?(\d+)(?: ms of CPU time)?\.$/.exec(outcome.message) ?? [];
  return crank === undefined ? undefined : Math.min(4 * Number(crank), CEILINGS.crank_cpu_ms.max);
}

const threw = (outcome: Outcome): outcome is Extract<Outcome, { kind: 'failed' }> =>
  outcome.kind === 'failed' && outcome.code === 'CORRAL_AGENT_THREW';

/**
 * About a run of a host.
 * @param cut the stack of its error has more frames than were shown
 */
export function advice(run: string, outcome: Outcome, cut: boolean): string[] {
  if (threw(outcome)) return [...missingName(outcome.message), ...(cut ? [`\`corral show ${run}\` has the rest of its stack.`] : [])];
  if ('code' in outcome && isErrorCode(outcome.code)) return [ERRORS[outcome.code].hint.replaceAll(/\bRUN\b/gu, run)];
  if (outcome.kind !== 'exceeded') return [];
  const crank = moreForACrank(outcome);
  return [
    ...(outcome.limit === 'cpu' ? [`\`corral replay ${run}\` makes its last crank again and says on which line it computed.`] : []),
    crank === undefined
      ? `If it needs that much, submit it with a higher ${outcome.limit} limit.`
      : `If it needs that much, submit it with a higher limit of a crank: --ceilings '{"crank_cpu_ms":${crank}}'.`,
  ];
}

/** About a run that its author has just tried: limits are set in the agent, and no command can ask about a run that is gone. */
export function adviceToAuthor(outcome: Outcome): string[] {
  if (threw(outcome)) return missingName(outcome.message);
  const crank = moreForACrank(outcome);
  return crank === undefined
    ? []
    : [`If it needs that much, raise the limit of a crank in its definition: \`ceilings: { crank_cpu_ms: ${crank} }\`.`];
}
