/** The OpenAPI document, without the schemas that the generator adds and that nothing refers to. */

interface Document {
  readonly paths?: unknown;
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> };
}

const REF = '#/components/schemas/';

export function tidy<T extends Document>(document: T): T {
  const schemas = document.components?.schemas ?? {};
  const used = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, member] of Object.entries(value)) {
      if (key === '$ref' && typeof member === 'string' && member.startsWith(REF)) {
        const name = member.slice(REF.length).split('/')[0] ?? '';
        if (used.has(name)) continue;
        used.add(name);
        visit(schemas[name]);
      } else visit(member);
    }
  };
  visit(document.paths);
  return {
    ...document,
    components: {
      ...document.components,
      schemas: Object.fromEntries(
        Object.entries(schemas)
          .filter(([name]) => used.has(name))
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
    },
  };
}
