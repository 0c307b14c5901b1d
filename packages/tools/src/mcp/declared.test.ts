/** The configuration says of one tool of an MCP server, or of all, who writes the answers. */
import { expect, test } from 'vitest';
import { describedBy, type Said } from './declared.ts';

const says = (name: string, outputSchema?: object) => ({
  name: `crm.${name}`,
  says: { name, inputSchema: { type: 'object' }, ...(outputSchema === undefined ? {} : { outputSchema }) } as never,
});
const TICKET = { type: 'object', properties: { id: { type: 'string' }, text: { type: 'string' } }, additionalProperties: false };
const described = (said: Readonly<Record<string, Said>>, schema: object | undefined = TICKET) =>
  describedBy('crm', says('read', schema), { trusted: false, said, only: undefined });

test('fields are those of the structured answer, and a field of none of them is a fault', () => {
  expect(described({ read: { returns: { untrusted: ['text'] } } })).toMatchObject({
    annotations: { returns: 'untrusted', trusted_fields: ['id'], destructive: true },
    returned: { faults: [] },
  });
  expect(described({ '*': { returns: { untrusted: ['note'] } } })).toMatchObject({
    annotations: { returns: 'untrusted', trusted_fields: ['id', 'text'] },
    returned: { faults: [{ path: 'note', absent: true }] },
  });
  expect(described({ '*': { returns: { untrusted: ['text'] } }, read: { returns: 'trusted' } }).annotations).toMatchObject({
    returns: 'trusted',
  });
});

test('of a tool without a schema all is a stranger’s, but for fields that are named in the text of its answer', () => {
  const plain = (returns: Said['returns']) =>
    describedBy('crm', says('read'), { trusted: true, said: { read: returns === undefined ? {} : { returns } }, only: undefined });
  expect(plain(undefined).annotations.trusted_fields).toBeUndefined();
  expect(plain({ trusted: ['content[].text.id'] })).toMatchObject({
    annotations: { trusted_fields: ['content[].text.id'] },
    returned: { faults: [] },
  });
  expect(plain({ untrusted: ['content[].text'] }).returned.faults).toHaveLength(1);
});
