/**
 * The clerk of the scene without Corral: the same bundle with the same model, called in this process by a program that hands it the mail and the
 * bank, as programs do. Nothing looks at what it does. It is there for comparison.
 */
import { runInThisContext } from 'node:vm';
import type { Json } from '@corral/protocol/json';
import type { Tool, ToolCall } from '@corral/protocol/ports/tool';
import type { Bare } from './world.ts';

interface BareAgent {
  run(context: { readonly input: unknown; readonly caps: object }): Promise<unknown>;
}

/**
 * @param source the clerk's bundle
 * @param task the principal's words, the same as on the host
 */
export function bareClerk(source: string, model: Tool, task: string): Bare {
  // The bundle is one script of this project, which declares this name.
  const { default: clerk } = runInThisContext(`${source}\ncorralBundle`) as { readonly default: BareAgent };
  let asked = 0;
  return async (mail, world, say) => {
    const caps = {
      model: { stream: (request: Json) => heard(streamOf(model, request, `bare:${(asked += 1)}`), say) },
      read: async ({ id }: { readonly id: number }) => ({ text: (await world.read(id)) ?? 'There is no such mail.' }),
      pay: async (payment: { readonly to: string; readonly amount: number; readonly reference: string }) => ({
        payment: await world.pay({ run: null, ...payment }),
      }),
    };
    await clerk.run({ input: { task, mail }, caps });
  };
}

/** Passes parts on, and tells the words among them. */
async function* heard(parts: AsyncIterable<Json>, say: (words: string) => void): AsyncGenerator<Json> {
  for await (const part of parts) {
    const { type, delta } = part as { readonly type: string; readonly delta?: string };
    if (type === 'text-delta') say(delta ?? '');
    // Two answers are two paragraphs.
    if (type === 'text-end') say('\n\n');
    yield part;
  }
}

/** The parts of a model's answer as they come. @throws Error if the model refuses */
async function* streamOf(model: Tool, request: Json, idempotency_key: string): AsyncGenerator<Json> {
  const checked = model.input.check(request);
  if (!checked.ok) throw new Error(`The model cannot be asked this: ${checked.where} ${checked.message}`);
  const { readable, writable } = new TransformStream<Json, Json>();
  const writer = writable.getWriter();
  const call = { input: checked.value, idempotency_key, attempt: 1, run: 'bare', tenant: 'bare', signal: new AbortController().signal };
  const part = (one: Json) => writer.write(one);
  void model
    .invoke({ ...call, part } as unknown as ToolCall)
    .then((result) => (result.kind === 'ok' ? writer.close() : writer.abort(new Error(result.message))));
  yield* readable;
}
