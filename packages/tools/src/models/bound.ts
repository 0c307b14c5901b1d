/**
 * The most tokens that a request can take, known before it is sent. A tokenizer that works on bytes makes at most one token of each
 * byte, and the marks between messages that a provider adds are fewer than the bytes of JSON around each message. So the bytes of the
 * request in JSON are an upper bound of its tokens.
 */
import type { ModelRequest } from './request.ts';

export interface Bounds {
  /** The most tokens of an answer, which is asked of the provider if the agent asks for more or says nothing. */
  readonly max_output_tokens: number;
  /** Tokens that a file counts for, such as an image; undefined: a prompt with a file is refused, since its tokens cannot be bounded. */
  readonly file_tokens?: number | undefined;
}

export interface MostTokens {
  readonly input: number;
  readonly output: number;
}

/** @returns text: why it cannot be bounded */
export function mostTokens(request: ModelRequest, { max_output_tokens, file_tokens }: Bounds): MostTokens | string {
  let files = 0;
  const prompt = request.prompt.map((message) =>
    typeof message.content === 'string'
      ? message
      : {
          ...message,
          content: message.content.map((part) => {
            if (part.type !== 'file' || part.data.type === 'text') return part;
            files += 1;
            return { type: part.type };
          }),
        },
  );
  if (files > 0 && file_tokens === undefined)
    return 'The prompt has a file, and the configuration does not say how many tokens a file counts for (file_tokens).';
  const { tools = [], responseFormat } = request;
  const text = JSON.stringify([prompt, tools, responseFormat ?? null]);
  return {
    input: Buffer.byteLength(text) + files * (file_tokens ?? 0),
    output: Math.min(request.maxOutputTokens ?? max_output_tokens, max_output_tokens),
  };
}
