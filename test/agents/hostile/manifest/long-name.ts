/** Describes itself by a member whose name has 50,000 characters, for a refusal that repeats the name. */
import { defineAgent } from '@corral/guest';
import { describedAs } from './says.ts';

describedAs(`[{"${'k'.repeat(5e4)}":1}]`);
export default defineAgent({ name: 'a', run: () => 1 });
