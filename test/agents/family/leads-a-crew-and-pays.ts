/** Pays before it starts its child. */
import { crew } from './leads-a-crew.ts';

export default crew(true);
