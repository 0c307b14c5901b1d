/** Describes its input by a schema of 100,000 levels, for a host that walks through it by recursion. */
import { defineAgent } from '@corral/guest';
import { describedAs, withInput } from './says.ts';

describedAs(withInput(`{"enum":${'['.repeat(1e5)}${']'.repeat(1e5)}}`));
export default defineAgent({ name: 'a', run: () => 1 });
