/** The tools of one memory of a configuration. */
import type { MemoryKind } from '@corral/protocol/ports/memory';
import type { Tool } from '@corral/protocol/ports/tool';
import { fileTools } from './files.ts';
import { kvTools } from './kv.ts';
import type { MemoryOptions, MemoryPowers } from './memory-tool.ts';
import { recallTools } from './recall.ts';

const BY_KIND: Readonly<Record<MemoryKind, (options: MemoryOptions, powers: MemoryPowers) => Tool[]>> = {
  kv: kvTools,
  files: fileTools,
  memory: recallTools,
};

export const memoryTools = (options: MemoryOptions, powers: MemoryPowers): Tool[] => BY_KIND[options.kind](options, powers);
