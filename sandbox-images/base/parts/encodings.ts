/** Decoders of all encodings of the Encoding standard; the tables of the East Asian ones are large, and seldom needed. */
import { TextDecoder } from '@exodus/bytes/encoding.js';

export default TextDecoder;
