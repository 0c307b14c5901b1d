/** Compares what packages declare with what their licence files say, as readers report them. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';
import { named } from './licenses.ts';
import type { Finding } from './report.ts';
import { type Verdicts } from './report.ts';

const Message = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('package'),
    path: z.string(),
    name: z.string(),
    version: z.string(),
    declared: z.nullable(z.string()),
    files: z.array(z.object({ name: z.string(), license: z.nullable(z.string()) })),
  }),
  z.object({ kind: z.literal('done'), failed: z.array(z.object({ path: z.string(), outcome: z.string() })) }),
]);

export const checker = defineAgent({
  name: 'license-audit/checker',
  purpose: 'Judge what readers found.',
  async run({ messages }): Promise<Verdicts> {
    const packages: Finding[] = [];
    for await (const { body } of messages) {
      const message = Message.parse(body);
      // The report must not depend on who was faster.
      if (message.kind === 'done') return { packages: packages.sort((a, b) => (a.path < b.path ? -1 : 1)), unread: message.failed };
      const { kind: _, files, ...rest } = message;
      packages.push({
        ...rest,
        files: files.map((file) => file.name),
        actual: [...new Set(files.flatMap((file) => file.license ?? []))].sort(),
        verdict: judge(message),
      });
    }
    throw new Error('unreachable');
  },
});

function judge({ declared, files }: { declared: string | null; files: readonly { license: string | null }[] }): Finding['verdict'] {
  if (declared === null) return files.length === 0 ? 'none' : 'undeclared';
  const licenses = named(declared);
  if (licenses === null) return 'not-spdx';
  if (files.length === 0) return 'no-text';
  const actual = files.flatMap((file) => file.license ?? []);
  if (actual.length === 0) return 'unrecognised';
  return actual.some((one) => licenses.includes(one)) ? 'agrees' : 'conflict';
}
