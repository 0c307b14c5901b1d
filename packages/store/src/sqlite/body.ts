/**
 * The body of a journal entry as bytes: two lengths, then the delivery and the effects as they crossed, then the rest as
 * JSON. Kept apart rather than nested in one JSON, so that neither is escaped and replay can pass them on unread.
 */
import type { Entry } from '@corral/protocol/run';

const ABSENT = 0xffff_ffff;
const HEADER_BYTES = 8;

export function encodeBody(entry: Entry): Buffer {
  const delivery = entry.delivery ?? '';
  const effects = entry.effects ?? '';
  const rest = JSON.stringify({
    ...(entry.decisions.length === 0 ? {} : { decisions: entry.decisions }),
    ...(entry.event === undefined ? {} : { event: entry.event }),
  });
  const deliveryBytes = Buffer.byteLength(delivery);
  const effectsBytes = Buffer.byteLength(effects);
  const body = Buffer.allocUnsafe(HEADER_BYTES + deliveryBytes + effectsBytes + Buffer.byteLength(rest));
  body.writeUInt32LE(entry.delivery === undefined ? ABSENT : deliveryBytes, 0);
  body.writeUInt32LE(entry.effects === undefined ? ABSENT : effectsBytes, 4);
  body.write(delivery, HEADER_BYTES);
  body.write(effects, HEADER_BYTES + deliveryBytes);
  body.write(rest, HEADER_BYTES + deliveryBytes + effectsBytes);
  return body;
}

export function decodeBody(row: { readonly seq: number; readonly at: number; readonly cpu_us: number; readonly body: Uint8Array }): Entry {
  const body = Buffer.from(row.body.buffer, row.body.byteOffset, row.body.byteLength);
  const hasDelivery = body.readUInt32LE(0) !== ABSENT;
  const hasEffects = body.readUInt32LE(4) !== ABSENT;
  const deliveryEnd = HEADER_BYTES + (hasDelivery ? body.readUInt32LE(0) : 0);
  const effectsEnd = deliveryEnd + (hasEffects ? body.readUInt32LE(4) : 0);
  const rest = JSON.parse(body.toString('utf8', effectsEnd)) as Partial<Pick<Entry, 'decisions' | 'event'>>;
  return {
    seq: row.seq,
    at: row.at,
    delivery: hasDelivery ? body.toString('utf8', HEADER_BYTES, deliveryEnd) : undefined,
    effects: hasEffects ? body.toString('utf8', deliveryEnd, effectsEnd) : undefined,
    decisions: rest.decisions ?? [],
    event: rest.event,
    cpu_us: row.cpu_us,
  };
}
