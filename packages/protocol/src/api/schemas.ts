/**
 * Schemas of the front door: the server checks with them, and the OpenAPI document and the client's types are generated from
 * them. Times are milliseconds since 1970; names of amounts end in their unit.
 */
export * from './schemas-page.ts';
export * from './schemas-agents.ts';
export * from './schemas-runs.ts';
export * from './schemas-operations.ts';
export * from './schemas-host.ts';
