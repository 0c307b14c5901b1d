/** Hands its capability to a child, narrowed to one path, one method and one header, and says what the child could ask. */
import { defineAgent } from '@corral/guest';

const reader = defineAgent({
  name: 'narrows/reader',
  purpose: 'asks what it may not',
  uses: { crm: 'http:crm' },
  async run({ caps }) {
    const asked = async (input: object) => {
      try {
        return (await caps.crm(input as never)).status;
      } catch (error) {
        return (error as { readonly code: string }).code;
      }
    };
    const headers = { 'x-account': '7' };
    return {
      allowed: await asked({ path: '/contacts/1', headers }),
      path: await asked({ path: '/admin', headers }),
      dots: await asked({ path: '/contacts/../admin', headers }),
      method: await asked({ method: 'POST', path: '/contacts/1', headers }),
      header: await asked({ path: '/contacts/1', headers: { 'x-account': '8' } }),
      none: await asked({ path: '/contacts/1' }),
    };
  },
});

export default defineAgent({
  name: 'narrows',
  purpose: 'narrows a capability',
  uses: { crm: 'http:crm' },
  spawns: { reader },
  async run({ caps, spawn }) {
    const crm = caps.crm.attenuate({
      where: { method: { equals: 'GET' }, path: { prefix: '/contacts/' }, 'headers.x-account': { equals: '7' } },
    });
    const end = await spawn(reader, {}, { caps: { crm } }).ended;
    return end.kind === 'completed' ? end.output : end;
  },
});
