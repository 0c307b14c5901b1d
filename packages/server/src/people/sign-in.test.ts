/** The page to which a sign-in leads back is one of this console, whatever its beginning asked for. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ownPage } from './sign-in.ts';

test('a view of the console is come back to, with its query', () => {
  expect(ownPage('/console/approvals?run=run_1&at=run_1-2')).toBe('/console/approvals?run=run_1&at=run_1-2');
});

test.each([
  undefined,
  '',
  'https://evil.example/console/',
  '//evil.example/console/',
  '/\\evil.example/console/',
  '\\\\evil.example/console/',
  'javascript:alert(1)//console/',
  '/console/../v1/runs',
  '/console/%2e%2e/v1/runs',
  '/consoles/',
  '\thttps://evil.example/console/',
])('%j is not one', (to) => {
  expect(ownPage(to)).toBe('/console/');
});

test('nothing leads elsewhere, and the code in the fragment stays the only one', () => {
  const part = fc.constantFrom('/', '\\', '.', '%2e', '@', ':', '#', '?', 'evil.example', 'console', 'http', '\t', '\n', '\u3002');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
      const page = ownPage(`/console/${parts.join('')}`);
      const url = new URL(page, 'https://corral.example');
      expect(url.origin).toBe('https://corral.example');
      expect(url.pathname.startsWith('/console/')).toBe(true);
      expect(page).not.toContain('#');
    }),
  );
});
