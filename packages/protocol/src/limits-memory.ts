/** Limits of what agents keep, beside limits.ts; a configuration sets its own within them. */
import { limit, type Limit } from './limits.ts';

const MIB = 1024 * 1024;

export const MEMORY = {
  memory_value_bytes: limit(
    'one value, file or text of a memory; with what is around it, it has to fit into an answer',
    252 * 1024,
    4 * MIB,
  ),
  memory_bytes: limit('all that one agent, or whose else it is, keeps in one memory', 16 * MIB, 4096 * MIB),
  memory_entries: limit('the number of its entries', 10_000, 1_000_000),
  memory_tenant_bytes: limit('all that a tenant keeps in memories', 256 * MIB, 1024 * 1024 * MIB),
  memory_tenant_entries: limit('the number of its entries', 100_000, 100_000_000),
  memory_page: limit('entries of one list or recall', 100, 1_000),
  memory_page_bytes: limit('entries of one list or recall; the rest is on the next page', 192 * 1024, MIB),
  memory_looked: limit('entries that one recall looks at, whoever may read them; a list goes on behind them', 2_000, 100_000),
  memory_sweep_ms: limit('how often entries that have expired are deleted', 60_000, 3_600_000, 100),
} as const satisfies Record<string, Limit>;

/** Bytes that an entry counts for besides its name and value: those of its label, its writers and its row. */
export const MEMORY_ENTRY_BYTES = 256;
/** Longest key, path, or `about` of a memory. */
export const MEMORY_NAME_CHARS = 512;
/** Longest time after which an entry expires: ten years. */
export const MEMORY_TTL_MS = 315_360_000_000;
