/** Describes its input by a schema as large as a whole schema may be, and what stands around it on top of that. */
import { defineAgent } from '@corral/guest';
import { ADMISSION } from '@corral/protocol/limits';
import { describedAs, withInput } from './says.ts';

describedAs(withInput(`{"enum":["${'x'.repeat(ADMISSION.schema_bytes.default)}"]}`));
export default defineAgent({ name: 'a', run: () => 1 });
