/** A server with OpenAI's API for one test. */
import { onTestFinished } from 'vitest';
import { openAiServer, type OpenAiServer, type Says } from './openai-server.ts';

export async function modelServer(says: Says): Promise<OpenAiServer> {
  const server = await openAiServer(says);
  onTestFinished(() => server.close());
  return server;
}
