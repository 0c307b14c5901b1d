/** A configuration for the benchmarks, with one tool that returns its input. */
import * as z from 'zod';
import { inlineTool } from '@corral/tools/define';

const n = z.object({ n: z.number() });
export default { tools: [inlineTool({ name: 'configured', description: '', input: n, output: n, run: (input) => input })] };
