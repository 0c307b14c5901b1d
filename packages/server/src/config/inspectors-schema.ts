/** Inspectors in a configuration (`inspectors`). */
import * as z from 'zod';
import { ModelName } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import { INSPECTED_PLACES, InspectorName } from '@corral/protocol/model/inspection';

const { inspector_timeout_ms, inspector_request_bytes } = MACHINE;
const secret = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, 'the name of a secret');
const Place = z.enum(INSPECTED_PLACES);
const ON =
  '`request`: arguments of calls to tools and models; `answer`: what they answer; `message`: messages and inputs of child runs; `output`: of runs';
/** A message does not wait, since what its agent does next would overtake it. */
const Waiting = z.enum(INSPECTED_PLACES).exclude(['message']);

const timeout = (default_ms: number) =>
  z
    .int()
    .min(1)
    .max(inspector_timeout_ms.max)
    .default(default_ms)
    .describe('how long it is waited for; then it counts as missing, and a policy that needs it denies');
const common = {
  always: z
    .boolean()
    .default(false)
    .describe('asked also where no policy looks at what it says, so that it is recorded; left out: only where one does'),
};
/** A large value waits for a thread that may have to be started. */
const SEARCH_MS = 10_000;
const searching = {
  timeout_ms: timeout(SEARCH_MS),
  on: z
    .array(Place)
    .min(1)
    .default([...INSPECTED_PLACES])
    .describe(ON),
  except: z.array(z.string().min(1).max(64)).max(64).default([]).describe('kinds that do not count, such as `jwt` or `email`'),
};
const asking = {
  timeout_ms: timeout(inspector_timeout_ms.default),
  on: z.array(Waiting).min(1).default(['request', 'answer', 'output']).describe(ON),
};

export const InspectorConfig = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('secrets').describe('keys of known shapes, the secrets of this configuration, and canaries'),
    canaries: z
      .array(secret)
      .max(64)
      .default([])
      .describe('secrets of this configuration that are planted where nobody has reason to read; found as `canary:NAME`'),
    ...searching,
    ...common,
  }),
  z.strictObject({
    kind: z.literal('personal').describe('personal data by its form: numbers with a checksum, mail addresses, telephone numbers'),
    ...searching,
    ...common,
  }),
  z.strictObject({
    kind: z.literal('http').describe('a classifier or a firewall elsewhere'),
    url: z.url({ protocol: /^https?$/ }).describe('gets one POST with JSON for each value'),
    key: secret.exactOptional().describe('name of the secret that goes along as `Authorization: Bearer …`'),
    hears: z
      .array(z.string().min(1).max(200))
      .max(16)
      .exactOptional()
      .describe('whose private data it may be told, as for a model; beyond it the inspector is not asked, and counts as missing'),
    request_bytes: z
      .int()
      .min(1)
      .max(inspector_request_bytes.max)
      .default(inspector_request_bytes.default)
      .describe('of the longest request; about a larger value it is not asked, and counts as missing'),
    may: z
      .array(z.enum(['pause', 'quarantine']))
      .max(2)
      .default([])
      .describe('what it may ask for besides: a pause of the run, a quarantine of the version of its agent in its tenant'),
    ...asking,
    ...common,
  }),
  z.strictObject({
    kind: z.literal('model').describe('a model of this configuration, asked one question'),
    model: ModelName.describe('it need not be offered to any agent'),
    question: z.string().min(1).max(4000).describe('what it is to tell about a value'),
    answers: z
      .array(z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, 'a word in lower case'))
      .min(2)
      .max(16)
      .describe('the words that it may answer; the first means that nothing was found'),
    most_chars: z.int().min(1).max(1_000_000).default(32_768).describe('of a value as JSON; about a larger one it is not asked'),
    ...asking,
    ...common,
  }),
]);
export type InspectorConfig = z.output<typeof InspectorConfig>;
export const Inspectors = z.record(InspectorName, InspectorConfig);
export type Inspectors = z.output<typeof Inspectors>;
