/** Makes the calls of its input one after the other, and says in each way that it has what came of them. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'repeats',
  purpose: 'says what it was told',
  onUnknown: 'tell',
  uses: { desk_look: 'tool:desk.look', desk_act: 'tool:desk.act', far_look: 'tool:far.look', crm: 'http:crm' },
  async run({ input, caps, emit, log }) {
    const said: unknown[] = [];
    for (const [alias, value] of input as readonly (readonly [keyof typeof caps, never])[])
      said.push(await caps[alias](value).catch(({ code, message }: Error & { readonly code: string }) => [code, message]));
    emit('said', said as never);
    log(JSON.stringify(said));
    return said;
  },
});
