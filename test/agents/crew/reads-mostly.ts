/** Reads four times, with one call that changes something and one line of log between. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'reader',
  uses: { read: 'tool:read', write: 'tool:write' },
  async run({ caps, log }) {
    await caps.read({ what: 'mail' });
    await caps.read({ of: 'calendar', days: 3 });
    await caps.write({ to: 'file' });
    await caps.read({ again: true });
    log('read');
    await caps.read({ last: 'one' });
  },
});
