/** The form of digests in the log: lower-case hex of SHA-256. */
import { hash } from 'node:crypto';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const digestOf = (bytes: Uint8Array | string): string => hash('sha256', bytes);
