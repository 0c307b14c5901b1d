/** Describes itself by 15 MB of small values: more than any bundle can have, for a host that parses before it measures. */
import { defineAgent } from '@corral/guest';
import { describedAs, withInput } from './says.ts';

describedAs(withInput(`{"enum":[${'[],'.repeat(5e6)}0]}`));
export default defineAgent({ name: 'a', run: () => 1 });
