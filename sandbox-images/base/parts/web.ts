/** The small web interfaces that libraries expect of any JavaScript host. */
import { TextDecoder as LiteDecoder, TextEncoder } from '@exodus/bytes/encoding-lite.js';
import { installAbort } from './abort.ts';
import { DOMException, exceptionCopy } from './dom-exception.ts';
import { CustomEvent, Event, EventTarget, giveEvents, type Report } from './events.ts';
import { tag } from './tag.ts';
import type { PartTimers } from './abort.ts';
import type makeClone from './structured-clone.ts';

type Decoder = Pick<InstanceType<typeof LiteDecoder>, 'encoding' | 'fatal' | 'ignoreBOM' | 'decode'>;
type DecoderClass = new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }) => Decoder;

/** @param more loads another part of the image */
function decoder(more: (part: string) => unknown) {
  return class TextDecoder implements Decoder {
    readonly #inner: Decoder;

    constructor(label = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
      const Inner = MULTIBYTE.test(label) ? (more('encodings') as DecoderClass) : LiteDecoder;
      this.#inner = new Inner(label, options);
    }
    get encoding() {
      return this.#inner.encoding;
    }
    get fatal() {
      return this.#inner.fatal;
    }
    get ignoreBOM() {
      return this.#inner.ignoreBOM;
    }
    decode(...args: Parameters<Decoder['decode']>): string {
      return this.#inner.decode(...args);
    }
  };
}

/** Labels of the encodings whose tables are apart. */
const MULTIBYTE =
  /^\s*(?:big5|big5-hkscs|cn-big5|x-x-big5|csbig5|euc-?kr|cseuckr|csksc56011987|iso-ir-149|korean|ks_c_5601-19(?:87|89)|ksc5601|ksc_5601|windows-949|euc-?jp|x-euc-jp|cseucpkdfmtjapanese|(?:cs)?iso-?2022-?jp|shift[-_]jis|csshiftjis|ms932|ms_kanji|sjis|windows-31j|x-sjis|gbk|x-gbk|gb18030|gb2312|gb_2312|gb_2312-80|csgb2312|csiso58gb231280|iso-ir-58|chinese)\s*$/i;

interface Needs {
  readonly timers: PartTimers;
  readonly more: (part: string) => unknown;
  /** The members of each part that was evaluated. */
  readonly loaded: Parameters<typeof makeClone>[0]['loaded'];
  readonly report: Report;
  /** The tools that `fetch` can ask; undefined: there is no fetch. */
  readonly reach: unknown;
}

export default function web({ timers, more, loaded, report, reach }: Needs): Record<string, unknown> {
  giveEvents({ report, now: () => performance.now() });
  const { makeCancel, timeLeft, AbortController, AbortSignal } = installAbort(timers, { now: Date.now, lazy: reach !== undefined });
  let clone: ReturnType<typeof makeClone> | undefined;
  const structuredClone = (...given: unknown[]) => {
    clone ??= (more('structuredClone') as typeof makeClone)({ loaded, DOMException, exceptionCopy });
    return clone(given);
  };
  Object.defineProperty(structuredClone, 'length', { value: 1, configurable: true });
  return {
    makeCancel,
    timeLeft,
    Event,
    CustomEvent,
    EventTarget,
    AbortController,
    AbortSignal,
    DOMException,
    TextEncoder,
    TextDecoder: tag(decoder(more), 'TextDecoder'),
    structuredClone,
    btoa(...args: [text?: unknown]) {
      if (args.length === 0) throw new TypeError('btoa takes a string');
      const string = String(args[0]);
      const bytes = new Uint8Array(string.length);
      for (let i = 0; i < string.length; i++) {
        const code = string.charCodeAt(i);
        if (code > 255) throw new DOMException('The string has characters outside of Latin-1.', 'InvalidCharacterError');
        bytes[i] = code;
      }
      return bytes.toBase64();
    },
    atob(...args: [text?: unknown]) {
      if (args.length === 0) throw new TypeError('atob takes a string');
      let bytes: Uint8Array;
      try {
        bytes = Uint8Array.fromBase64(String(args[0]));
      } catch {
        throw new DOMException('The string is not valid base64.', 'InvalidCharacterError');
      }
      let string = '';
      for (const byte of bytes) string += String.fromCharCode(byte);
      return string;
    },
  };
}
