import { describe, expect, test } from 'vitest';
import { FAMILIES } from './families.ts';
import { measure } from './synthetic.ts';

describe('behaviour with known answers', () => {
  test.each(FAMILIES)('$name', (family) => {
    const { cases, found, false_alarms } = measure(family);
    expect({ found, false_alarms }).toEqual({ found: family.by.length === 0 ? 0 : cases, false_alarms: 0 });
  });
});
