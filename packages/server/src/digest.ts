/** Content addresses, as everything here writes them. */
import { hash } from 'node:crypto';

export const digestOf = (text: string): string => `sha256:${hash('sha256', text)}`;
