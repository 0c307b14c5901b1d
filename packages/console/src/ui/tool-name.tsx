/** The name of a tool, which leads to all that is known of who may reach it. */
import { href } from '../data/address.ts';
import { Text } from './text.tsx';

export function ToolName({ of, tenant }: { readonly of: string; readonly tenant?: string | undefined }) {
  return (
    <a href={`${href('tools', of)}${tenant === undefined ? '' : `?tenant=${encodeURIComponent(tenant)}`}`}>
      <Text of={of} />
    </a>
  );
}
