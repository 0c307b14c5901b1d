/**
 * Reads the answer of a collector: it may have taken a batch in part, and says how much of it not.
 *
 * Source: github.com/open-telemetry/opentelemetry-proto, opentelemetry/proto/collector/{trace,metrics}/v1, `partial_success`
 */

/** Numbers of fields, which are the same for spans and for figures. */
const [PARTIAL_SUCCESS, REJECTED] = [1, 1];
const [VARINT, FIXED64, LENGTH, FIXED32] = [0, 1, 2, 5];

/** The bytes of a body up to a bound; the rest is not read. */
export async function bodyOf(response: Response, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    pieces.push(piece);
    bytes += piece.length;
    // Leaving the loop cancels the body.
    if (bytes > most) break;
  }
  return Buffer.concat(pieces);
}

/** How many spans or points a collector did not take although it took the batch. 0 for an answer that says nothing of it, or cannot be read. */
export function rejectedIn(answer: Uint8Array): number {
  const [partial] = fieldsOf(answer, PARTIAL_SUCCESS);
  if (!(partial instanceof Uint8Array)) return 0;
  const [rejected] = fieldsOf(partial, REJECTED);
  return typeof rejected === 'number' ? rejected : 0;
}

/** The values of a field of a message, as far as the message can be read. */
function fieldsOf(message: Uint8Array, field: number): (number | Uint8Array)[] {
  const found: (number | Uint8Array)[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < message.length; scale *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    return value;
  };
  while (at < message.length) {
    const tag = varint();
    const [number, type] = [Math.floor(tag / 8), tag % 8];
    let value: number | Uint8Array | undefined;
    if (type === VARINT) value = varint();
    else if (type === LENGTH) {
      const length = varint();
      value = message.subarray(at, at + length);
      at += length;
    } else if (type === FIXED64) at += 8;
    else if (type === FIXED32) at += 4;
    else return found;
    if (number === field && value !== undefined) found.push(value);
  }
  return found;
}
