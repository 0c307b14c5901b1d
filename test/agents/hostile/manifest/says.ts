/** Takes the function into its own hands by which a bundle describes its agents, so that the bundle says this text of itself. */
export function describedAs(text: string): void {
  JSON.stringify = () => text;
}

/** The manifest of an ordinary agent, but for the JSON text of its input's schema. */
export const withInput = (schema: string) =>
  `[{"name":"a","purpose":"","image":"base","uses":{},"spawns":[],"input":${schema},"output":null,"ceilings":{},"budget":{},"on_unknown":"wait"}]`;
