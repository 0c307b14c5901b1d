/** Calls the tools that its input names, and says what came of each. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'keeper',
  purpose: 'keeps pets',
  uses: { read: 'tool:pets.read_pet', remove: 'tool:pets.remove_pet', far: 'tool:far.read_pet' },
  async run({ input, caps }) {
    const said: Record<string, unknown> = {};
    for (const [name, args] of Object.entries(input as Record<'read' | 'remove' | 'far', object>))
      try {
        said[name] = await caps[name as 'read'](args);
      } catch (error) {
        const { code, message } = error as Error & { readonly code: string };
        said[name] = `${code} ${message}`;
      }
    return said;
  },
});
