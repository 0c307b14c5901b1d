/** The next version, which asks for a capability to read as well. */
import { crew } from './crew-that-writes.ts';

export default crew(true);
