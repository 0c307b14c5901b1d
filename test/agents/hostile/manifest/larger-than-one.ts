/** Describes itself by 300 KB of small values: more than one agent may have, for a host that bounds the bundle alone. */
import { defineAgent } from '@corral/guest';
import { describedAs, withInput } from './says.ts';

describedAs(withInput(`{"enum":[${'[],'.repeat(1e5)}0]}`));
export default defineAgent({ name: 'a', run: () => 1 });
