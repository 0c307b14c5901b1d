/** Another agent that buys. */
import { buyer } from './buys.ts';

export default buyer('other');
