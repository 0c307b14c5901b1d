/** The scene of `corral demo`: the requests of its page to the host that runs it. No other host has these routes. */
import * as z from 'zod';
import { runId, time_ms } from './parts.ts';
import { route } from './route.ts';

/** Ways to misbehave, each an agent of the zoo. */
export const MISDEEDS = ['spin', 'fill', 'loop', 'fork', 'flood'] as const;
export type Misdeed = (typeof MISDEEDS)[number];

export const SceneAct = z
  .discriminatedUnion('act', [
    z.strictObject({
      act: z.literal('mail'),
      text: z.string().trim().min(1).max(2000).describe('the mail that the agent reads'),
      guarded: z.boolean().describe('false: the same agent runs without Corral'),
    }),
    z.strictObject({ act: z.literal('misdeed'), misdeed: z.enum(MISDEEDS) }),
    z.strictObject({ act: z.literal('tell').describe('a run that streams a story, and pays for it once') }),
    z.strictObject({ act: z.literal('kill-host').describe('SIGKILL, by the process that started the host') }),
  ])
  .meta({ id: 'SceneAct' });
export type SceneAct = z.output<typeof SceneAct>;

export const SceneView = z
  .object({
    ready: z.boolean().describe('its agents are deployed'),
    commands: z.array(z.object({ command: z.string(), does: z.string() })).describe('to type next, with the data folder of this host'),
    model: z.object({ said: z.string(), gullible: z.boolean().describe('a script that obeys every mail') }),
    mails: z.array(z.object({ mail: z.int(), text: z.string().describe('as the tool gives it to the agent') })),
    payments: z
      .array(
        z.object({
          run: runId.nullable().describe('null: the agent without Corral'),
          to: z.string(),
          amount: z.number(),
          reference: z.string(),
        }),
      )
      .describe('booked by the bank, which is outside of the host'),
    bare: z
      .object({ mail: z.int(), said: z.string().describe('words of its model so far'), ended: z.boolean(), error: z.string().nullable() })
      .nullable()
      .describe('the latest run of the agent without Corral'),
    host: z.object({
      starts: z.int(),
      pid: z.int(),
      killed_at: time_ms.nullable(),
      up_at: time_ms.describe('since when it has taken requests'),
    }),
  })
  .meta({ id: 'Scene' });
export type SceneView = z.output<typeof SceneView>;

export const SCENE_ROUTES = {
  showScene: route({
    method: 'GET',
    path: '/v1/scene',
    tag: 'scene',
    summary: 'Shows the scene: what happened outside of the host. Only a host of `corral demo` has this route.',
    operation: 'run.read',
    status: 200,
    response: SceneView,
  }),
  actInScene: route({
    method: 'POST',
    path: '/v1/scene',
    tag: 'scene',
    summary: 'Does something in the scene. Only a host of `corral demo` has this route.',
    operation: 'run.submit',
    act: { none: 'the log has the admission of each run' },
    body: SceneAct,
    status: 200,
    response: z.object({ runs: z.array(runId).describe('that were submitted; a neighbour before the one that misbehaves') }),
  }),
};
