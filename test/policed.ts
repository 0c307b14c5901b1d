/** Policies for the tools of a test, loaded as a host loads them: the default pack, or a text of the test's own. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { catalog } from '@corral/policy/cedar/catalog';
import { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { Inspector } from '@corral/protocol/ports/inspector';
import type { Tool } from '@corral/protocol/ports/tool';

const PACK = readFileSync(fileURLToPath(import.meta.resolve('@corral/policy/pack/default.cedar')), 'utf8');
/** Everything but the question about a first use, which would be asked of every agent of a test. */
export const SEASONED = PACK.replace(/@id\("first-use"\)[\s\S]*?;\n/, '');

export function policiesOf(tools: readonly Tool[], text = PACK, inspectors: readonly Inspector[] = []): PolicyInForce {
  return PolicyInForce.load({
    engine: cedar,
    catalog: catalog({
      targets: tools.map(({ name, annotations, input }) => ({
        kind: 'tool',
        name,
        annotations,
        input: input.schema,
      })),
      inspectors,
    }),
    sources: [{ file: 'test.cedar', text }],
    digest: (of) => `sha256:${createHash('sha256').update(of).digest('hex')}`,
  });
}
