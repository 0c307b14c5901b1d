/** OpenAPI documents whose operations are tools, in a configuration (`openapi`). */
import * as z from 'zod';
import { AllowedOrigin, HttpConfig } from './http-schema.ts';

const { secrets, idempotency_key, returns, destructive, private_to, encoded_slashes, limits } = HttpConfig.shape;

export const OpenApiConfig = z.strictObject({
  document: z
    .string()
    .min(1)
    .max(4096)
    .describe(
      'a file, relative to the configuration file, or an address; JSON or YAML, OpenAPI 3.0 or 3.1. It is read when the configuration is loaded',
    ),
  origin: AllowedOrigin.describe('where requests go, whatever the document says of servers'),
  base_path: z
    .string()
    .max(500)
    .regex(/^(?:|\/[^?#\s]*[^/?#\s])$/, 'a path such as /v1, without / at its end')
    .exactOptional()
    .describe('before each path; left out: that of the document’s first server'),
  operations: z
    .array(z.string().min(1).max(500))
    .min(1)
    .max(2_000)
    .exactOptional()
    .describe('those that are tools, by their `operationId`, or as `GET /pets/{id}`; left out: all'),
  secrets,
  idempotency_key,
  returns,
  destructive,
  private_to,
  encoded_slashes,
  limits,
});
export type OpenApiConfig = z.output<typeof OpenApiConfig>;
export const OpenApi = z.record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,49}$/, 'a short name in lower case'), OpenApiConfig);
export type OpenApi = z.output<typeof OpenApi>;
