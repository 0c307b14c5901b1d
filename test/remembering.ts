/** Memories for tests of a whole host: the real store on a folder of its own, and the tools of a configuration over it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Tool } from '@corral/protocol/ports/tool';
import { Config } from '@corral/server/config/schema';
import { memoryToolsOf } from '@corral/server/config/memory';
import { openKeyRing } from '@corral/store/core/keys';
import { SqliteMemory } from '@corral/store/memory';

export interface Remembering {
  readonly tools: readonly Tool[];
  readonly store: () => SqliteMemory;
  /** Closes the store and opens it again, as a host does that starts once more. */
  reopen(): Promise<void>;
}

/** To be called at the top of a file. @param memory as in a configuration */
export async function remembering(memory: unknown): Promise<Remembering> {
  const folder = await mkdtemp(join(tmpdir(), 'crl-'));
  openKeyRing(folder, { kind: 'file' }, true);
  let store = new SqliteMemory(folder, { kind: 'file' });
  afterAll(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });
  return {
    tools: memoryToolsOf(Config.parse({ memory }), () => store),
    store: () => store,
    async reopen() {
      await store.close();
      store = new SqliteMemory(folder, { kind: 'file' });
    },
  };
}
