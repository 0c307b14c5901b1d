/** The server of openai-server.ts for one test: it is closed when the test is over. Benches start that server too, without a test. */
import { onTestFinished } from 'vitest';
import { openAiServer, type OpenAiServer, type Says } from './openai-server.ts';

export async function modelServer(says: Says): Promise<OpenAiServer> {
  const server = await openAiServer(says);
  onTestFinished(() => server.close());
  return server;
}
