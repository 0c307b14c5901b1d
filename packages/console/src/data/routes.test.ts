import { expect, test } from 'vitest';
import { ROUTES } from '@corral/protocol/api/routes';
import { PATHS, type Asked } from './routes.ts';

test('the console asks the routes that a host has', () => {
  for (const [name, path] of Object.entries(PATHS)) {
    const route = ROUTES[name as Asked];
    expect(`${route.method} ${route.path}`).toBe(path);
  }
});
