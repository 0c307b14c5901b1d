/** The same service, which asks for a large budget and long turns. */
import { office } from './claims.ts';

export default office({ budget: { calls: 900, messages: 900 }, ceilings: { wall_ms: 600_000 } });
