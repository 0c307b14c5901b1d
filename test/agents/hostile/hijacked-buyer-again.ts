/** Another version of the buyer, which may be hijacked as well. It gains what the first does, if a profile of that one does not hold for it. */
import { buyer } from './hijacked-buyer.ts';

export default buyer('all done');
