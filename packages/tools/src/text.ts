/** Cuts of texts: never within a character, and short enough as JSON. */

/**
 * The number of bytes that hold whole characters of UTF-8. A character that is incomplete at the end is cut off; other invalid bytes are
 * kept.
 */
export function endOfCharacters(bytes: Uint8Array): number {
  // Finds the last lead byte; a character has at most three bytes after it.
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** The longest beginning of a text that takes at most `most_bytes` as a JSON string, quotes included. */
export function withinJson(text: string, most_bytes: number): string {
  // No character takes more than six bytes.
  if (text.length * 6 + 2 <= most_bytes || Buffer.byteLength(JSON.stringify(text)) <= most_bytes) return text;
  let left = most_bytes - 2;
  let end = 0;
  for (const character of text) {
    left -= Buffer.byteLength(JSON.stringify(character)) - 2;
    if (left < 0) break;
    end += character.length;
  }
  return text.slice(0, end);
}
