/** Accepted lists of tools, in the front store: with it they are backed up, and durable once a person was told that they hold. */
import type { ToolPin, ToolPins } from '@corral/protocol/ports/pins';
import type { FrontStore } from '@corral/protocol/ports/front';

const nameOf = (source: string): string => `tools:${source}`;

/**
 * @param db undefined while the host is being built
 * @param before reads a value then
 */
export function pinsIn(
  db: () => Pick<FrontStore, 'meta' | 'setMeta' | 'durably'> | undefined,
  before: (name: string) => string | undefined,
): ToolPins {
  return {
    get(source) {
      const front = db();
      const text = front === undefined ? before(nameOf(source)) : front.meta(nameOf(source));
      return text === undefined ? undefined : (JSON.parse(text) as ToolPin);
    },
    put(pin) {
      const front = db();
      if (front === undefined) throw new Error('nothing can be accepted before the store is open');
      front.durably(() => front.setMeta(nameOf(pin.source), JSON.stringify(pin)));
    },
  };
}
