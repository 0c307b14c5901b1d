/** A model for benchmarks, in a process of its own so that its time is not the host's: prints its address, then answers. */
import { openAiServer } from '../../openai-server.ts';

/** Pieces of a streamed answer: as many as its prompt says. */
const server = await openAiServer({
  reply: ({ body }) => {
    const { content } = body.messages.at(-1) ?? {};
    const pieces = Number(/\d+/.exec(JSON.stringify(content))?.[0] ?? 1);
    return { pieces: Array.from({ length: pieces }, (_, i) => `word${i} `) };
  },
});
process.stdout.write(`${server.url}\n`);
