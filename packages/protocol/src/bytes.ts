/** Texts whose limit is in bytes of UTF-8: a character takes up to four. */
import * as z from 'zod';

const encoder = new TextEncoder();

export const textOfBytes = (most: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(most)
    .refine((text) => encoder.encode(text).length <= most, { error: `has more than ${most} bytes` });
