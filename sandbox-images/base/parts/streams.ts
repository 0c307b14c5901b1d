/** Streams of the web (https://streams.spec.whatwg.org), and those that encode and decode text. */
import { TextDecoderStream, TextEncoderStream } from '@exodus/bytes/encoding-lite.js';
import * as streams from 'web-streams-polyfill';

export default function make(): Record<string, unknown> {
  return { ...streams, TextDecoderStream, TextEncoderStream };
}
