/**
 * The most tokens that a request can take, known before it is sent. A tokenizer that works on bytes makes at most one token of each
 * byte, and the marks between messages that a provider adds are fewer than the bytes of JSON around each message. So the bytes of the
 * request in JSON are an upper bound of its tokens. An image counts for a number that the configuration states, since its bytes say
 * nothing about its tokens; so does a PDF, which holds its text compressed and is also read as images.
 */
import type { ModelRequest, PromptPart } from './request.ts';

export interface Bounds {
  /** The most tokens of an answer, which is asked of the provider if the agent asks for more or says nothing. */
  readonly max_output_tokens: number;
  /** Tokens that a file counts for, such as an image; undefined: a prompt with a file is refused, since its tokens cannot be bounded. */
  readonly file_tokens?: number | undefined;
  /** Tokens that a PDF counts for; undefined: a prompt with one is refused. */
  readonly pdf_tokens?: number | undefined;
}

export interface MostTokens {
  readonly input: number;
  readonly output: number;
}

type FilePart = Extract<PromptPart, { readonly type: 'file' }>;

/** @returns text: why it cannot be bounded */
export function mostTokens(request: ModelRequest, bounds: Bounds): MostTokens | string {
  const { max_output_tokens } = bounds;
  const files: FilePart[] = [];
  const prompt = request.prompt.map((message) =>
    typeof message.content === 'string' ? message : { ...message, content: message.content.map((part) => withoutBytes(part, files)) },
  );
  let tokens = 0;
  for (const file of files) {
    const most = tokensOf(file, bounds);
    if (typeof most === 'string') return most;
    tokens += most;
  }
  const { tools = [], responseFormat, providerOptions } = request;
  return {
    input: Buffer.byteLength(JSON.stringify([prompt, tools, responseFormat, providerOptions])) + tokens,
    output: Math.min(request.maxOutputTokens ?? max_output_tokens, max_output_tokens),
  };
}

/** The part without the bytes of its files, which are put into `files`; their names, settings and texts are counted as they are. */
function withoutBytes(part: PromptPart, files: FilePart[]): object {
  if (part.type === 'file') return bare(part, files);
  if (part.type !== 'tool-result' || part.output.type !== 'content') return part;
  const { output } = part;
  return { ...part, output: { ...output, value: output.value.map((one) => (one.type === 'file' ? bare(one, files) : one)) } };
}

function bare(part: FilePart, files: FilePart[]): object {
  files.push(part);
  const { data, ...rest } = part;
  return data.type === 'text' ? part : rest;
}

/** Base64 of `%PDF`, and the same as text. A provider’s package looks at them where the media type says only `application`. */
const PDF = /^(?:JVBER|%PDF)/;
const PDF_TYPE = /^application(?:$|\/(?:\*|(?:x-)?pdf)(?:$|[ ;]))/;
/** SVG is text. */
const IMAGE = /^image(?:$|\/(?!svg))/;

function tokensOf({ mediaType, data }: FilePart, { file_tokens, pdf_tokens }: Bounds): number | string {
  const type = mediaType.toLowerCase();
  const content = data.type === 'text' ? data.text : data.data;
  if (PDF_TYPE.test(type) || PDF.test(content)) {
    if (pdf_tokens === undefined)
      return 'The prompt has a PDF, and the configuration does not say how many tokens a PDF counts for (pdf_tokens).';
    return Math.max(pdf_tokens, decodedBytes(data));
  }
  // A text in the prompt is counted with it.
  if (data.type === 'text') return 0;
  if (file_tokens === undefined)
    return 'The prompt has a file, and the configuration does not say how many tokens a file counts for (file_tokens).';
  return IMAGE.test(type) ? file_tokens : Math.max(file_tokens, decodedBytes(data));
}

const decodedBytes = (data: FilePart['data']): number =>
  data.type === 'text' ? Buffer.byteLength(data.text) : Math.ceil((data.data.length * 3) / 4);
