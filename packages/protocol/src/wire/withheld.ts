/**
 * Removes from a delivery what must not cross into a cell. The journal has the complete delivery; values behind handles, their
 * sources, what inspectors said, the labels of kept values, details of failures for operators, and whether a failed call may have acted stay
 * with the host, so that not even a compromised cell can read what its run has not opened. Depends on the text only, so a replay receives the same.
 */
import type { Delivery } from './delivery.ts';
import type { CarriedHandle } from './handle.ts';

/** @param text a delivery as JSON */
export function withheld(text: string): string {
  // Handles of a message and a child's end are under `handles`.
  if (!WITHHELD.some((name) => text.includes(`"${name}`))) return text;
  const delivery = JSON.parse(text) as Delivery;
  if (delivery.kind === 'reply') {
    if (!delivery.results.some((result) => WITHHELD.some((name) => name in result))) return text;
    const results = delivery.results.map((whole) => {
      const { inspected: _, ...result } = whole;
      if (!('error' in result)) {
        const { kept: _kept, ...read } = result;
        return 'handle' in read ? { ...read, value: undefined } : read;
      }
      const { detail: __, may_have_acted: ___, ...told } = result;
      return 'unread' in told ? { ...told, error: { ...told.error, message: UNREAD } } : told;
    });
    return JSON.stringify({ ...delivery, results });
  }
  if (delivery.kind === 'chunk' && delivery.inspected !== undefined) {
    const { inspected: _, ...chunk } = delivery;
    return JSON.stringify(chunk);
  }
  if ((delivery.kind !== 'message' && delivery.kind !== 'child_ended') || delivery.handles === undefined) return text;
  return JSON.stringify({ ...delivery, handles: delivery.handles.map(seen) });
}

const WITHHELD = ['handle', 'unread', 'detail', 'may_have_acted', 'inspected', 'kept'] as const;
const UNREAD = 'What the tool said of its failure may repeat what the run has not read, and is in the journal alone.';

const seen = ({ path, type, bytes }: CarriedHandle) => ({ path, type, bytes });
