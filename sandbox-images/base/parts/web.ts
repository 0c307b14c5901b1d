/** The small web interfaces that libraries expect of any JavaScript host. */
import { TextDecoder, TextEncoder } from '@exodus/bytes/encoding-lite.js';
import structuredCloneOf from '@ungap/structured-clone';
import { Event, EventTarget } from 'event-target-shim';
import { installAbort } from './abort.ts';
import { DOMException } from './dom-exception.ts';
import type { PartTimers } from './abort.ts';

export default function web({ timers }: { timers: PartTimers }): Record<string, unknown> {
  const { AbortController, AbortSignal } = installAbort(timers);
  return {
    Event,
    EventTarget,
    AbortController,
    AbortSignal,
    DOMException,
    TextEncoder,
    TextDecoder,
    structuredClone: (value: unknown) => {
      try {
        return structuredCloneOf(value);
      } catch (error) {
        throw new DOMException(error instanceof Error ? error.message : String(error), 'DataCloneError');
      }
    },
    btoa(text: unknown) {
      const string = String(text);
      const bytes = new Uint8Array(string.length);
      for (let i = 0; i < string.length; i++) {
        const code = string.charCodeAt(i);
        if (code > 255) throw new DOMException('The string has characters outside of Latin-1.', 'InvalidCharacterError');
        bytes[i] = code;
      }
      return bytes.toBase64();
    },
    atob(text: unknown) {
      let bytes: Uint8Array;
      try {
        bytes = Uint8Array.fromBase64(String(text));
      } catch {
        throw new DOMException('The string is not valid base64.', 'InvalidCharacterError');
      }
      let string = '';
      for (const byte of bytes) string += String.fromCharCode(byte);
      return string;
    },
  };
}
