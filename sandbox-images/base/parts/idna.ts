/** Names of hosts that are not ASCII (UTS #46), for the part `url`. */
import { toASCII } from 'tr46';

export default { toASCII };
