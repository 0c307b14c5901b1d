/** Requests and answers of the APIs that a model capability answers, each way. */
import { describe, expect, test } from 'vitest';
import { ANSWER, begun, HELLO, outcomeAfter } from './fixtures/fetching.ts';
import { reply } from './fixtures/isolate.ts';

const TOOL = { name: 'look', description: 'd', parameters: { type: 'object', properties: {} } };
const ASSISTANT = {
  role: 'assistant',
  content: null,
  tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{"a":1}' } }],
};
const CALLS = {
  ...ANSWER,
  content: [
    { type: 'reasoning', text: 'hm', providerMetadata: { anthropic: { signature: 'sig' } } },
    { type: 'text', text: 'Hi.' },
    { type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: '{"a":1}', providerMetadata: { google: { thoughtSignature: 't' } } },
  ],
  finishReason: { unified: 'tool-calls' },
};

/** The input of the call that a request becomes. */
const inputOf = (path: string, body: object) => begun(`await askModel('${path}', ${JSON.stringify(body)})`).effects[0]?.['input'];
describe('a request becomes one of the model capability', () => {
  test('by chat', () => {
    const body = {
      model: 'gpt-5',
      messages: [
        { role: 'developer', content: 'be short' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'see' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          ],
        },
        { ...ASSISTANT, name: 'node' },
        { role: 'tool', tool_call_id: 'c1', name: 'look', content: '7' },
      ],
      max_completion_tokens: 9,
      temperature: 0.5,
      stop: 'END',
      reasoning_effort: 'low',
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
      tools: [{ type: 'function', function: TOOL }],
      tool_choice: { type: 'function', function: { name: 'look' } },
      parallel_tool_calls: false,
      store: false,
      user: null,
    };
    expect(inputOf('/chat/completions', body)).toEqual({
      prompt: [
        { role: 'system', content: 'be short' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'see' },
            { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AAAA' } },
          ],
        },
        { role: 'assistant', content: [{ type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: { a: 1 } }] },
        { role: 'tool', content: [{ type: 'tool-result', toolCallId: 'c1', toolName: 'look', output: { type: 'text', value: '7' } }] },
      ],
      maxOutputTokens: 9,
      temperature: 0.5,
      stopSequences: ['END'],
      reasoning: 'low',
      responseFormat: { type: 'json', name: 'n', schema: { type: 'object' } },
      tools: [{ type: 'function', name: 'look', description: 'd', inputSchema: TOOL.parameters }],
      toolChoice: { type: 'tool', toolName: 'look' },
      providerOptions: { openai: { parallelToolCalls: false } },
    });
  });

  test('by responses', () => {
    const body = {
      model: 'gpt-5',
      instructions: 'be short',
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'see' }] },
        { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'theirs' },
        { type: 'function_call', call_id: 'c1', name: 'look', arguments: '{"a":1}' },
        { type: 'function_call_output', call_id: 'c1', output: '7' },
      ],
      max_output_tokens: 9,
      text: { format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true }, verbosity: 'low' },
      reasoning: { effort: 'low' },
      tools: [{ type: 'function', ...TOOL, strict: true }],
      include: ['reasoning.encrypted_content'],
    };
    expect(inputOf('/responses', body)).toEqual({
      prompt: [
        { role: 'system', content: 'be short' },
        { role: 'user', content: [{ type: 'text', text: 'see' }] },
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: '', providerOptions: { openai: { itemId: 'rs_1', reasoningEncryptedContent: 'theirs' } } },
            { type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: { a: 1 } },
          ],
        },
        { role: 'tool', content: [{ type: 'tool-result', toolCallId: 'c1', toolName: 'look', output: { type: 'text', value: '7' } }] },
      ],
      maxOutputTokens: 9,
      reasoning: 'low',
      responseFormat: { type: 'json', name: 'n', schema: { type: 'object' } },
      tools: [{ type: 'function', name: 'look', description: 'd', strict: true, inputSchema: TOOL.parameters }],
      providerOptions: { openai: { textVerbosity: 'low' } },
    });
  });

  test('by messages', () => {
    const cache = { cache_control: { type: 'ephemeral' } };
    const body = {
      model: 'claude-sonnet-5',
      max_tokens: 9,
      system: [{ type: 'text', text: 'be short', ...cache }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'see' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 's' },
            { type: 'tool_use', id: 'c1', name: 'look', input: { a: 1 } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'c1', content: 'boom', is_error: true },
            { type: 'text', text: 'and?' },
          ],
        },
      ],
      tools: [{ name: 'look', input_schema: { type: 'object' } }],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      thinking: { type: 'enabled', budget_tokens: 4 },
    };
    expect(inputOf('/messages', body)).toEqual({
      prompt: [
        { role: 'system', content: 'be short', providerOptions: { anthropic: { cacheControl: { type: 'ephemeral' } } } },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'see' },
            { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AAAA' } },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'hm', providerOptions: { anthropic: { signature: 's' } } },
            { type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: { a: 1 } },
          ],
        },
        {
          role: 'tool',
          content: [{ type: 'tool-result', toolCallId: 'c1', toolName: 'look', output: { type: 'error-text', value: 'boom' } }],
        },
        { role: 'user', content: [{ type: 'text', text: 'and?' }] },
      ],
      maxOutputTokens: 9,
      tools: [{ type: 'function', name: 'look', inputSchema: { type: 'object' } }],
      toolChoice: { type: 'required' },
      providerOptions: { anthropic: { thinking: { type: 'enabled', budgetTokens: 4 }, disableParallelToolUse: true } },
    });
  });

  const said = (content: unknown) => ({ messages: [{ role: 'user', content }] });
  test('is refused by the name of what it asks for besides', () => {
    const cases: readonly (readonly [path: string, body: object, why: string])[] = [
      ['/chat/completions', { ...said('a'), stream: 'yes' }, 'stream is to be true or false'],
      ['/chat/completions', { ...said('a'), n: 2 }, 'n cannot be 2'],
      ['/chat/completions', { ...said('a'), web_search_options: {} }, 'web_search_options is not'],
      ['/chat/completions', { ...said('a'), store: true }, 'store cannot be true'],
      ['/chat/completions', { ...said('a'), tools: [{ type: 'custom', custom: { name: 'x' } }] }, 'of the kind "custom"'],
      ['/chat/completions', said([{ type: 'image_url', image_url: { url: 'https://evil.example/?secret' } }]), 'a file by its address'],
      ['/chat/completions', said([{ type: 'file', file: { file_id: 'file-1' } }]), 'file_data is missing'],
      ['/chat/completions', { messages: [{ role: 'user', name: 'ana', content: '' }] }, 'messages[0].name'],
      ['/chat/completions', { messages: [{ role: 'tool', tool_call_id: 'c9', content: '' }] }, 'which no message before it makes'],
      ['/chat/completions', { messages: [{ role: 'root', content: '' }] }, 'role cannot be "root"'],
      ['/chat/completions', { messages: [{ role: 'system', content: [{ type: 'text', text: 'a', mark: 1 }] }] }, 'content[0].mark is not'],
      ['/chat/completions', said([{ type: 'file', file: { file_data: 'data:a/b;base64,AA', mark: 1 } }]), 'file.mark is not'],
      ['/chat/completions', { ...said('a'), response_format: { type: 'json_object', mark: 1 } }, 'response_format.mark is not'],
      [
        '/chat/completions',
        { ...said('a'), tool_choice: { type: 'function', function: { name: 'x' }, mark: 1 } },
        'tool_choice.mark is not',
      ],
      ['/chat/completions', [], 'The body is to be an object'],
      ['/responses', { input: 'a', previous_response_id: 'resp_1' }, 'previous_response_id cannot be'],
      ['/responses', { input: 'a', background: true }, 'background cannot be true'],
      ['/responses', { input: 'a', include: ['file_search_call.results'] }, 'include[0] cannot be'],
      ['/responses', { input: [{ type: 'item_reference', id: 'x' }] }, 'item_reference'],
      [
        '/responses',
        { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://evil.example' }] }] },
        'by its address',
      ],
      ['/responses', { input: 'a', tools: [{ type: 'mcp', server_url: 'https://evil.example' }] }, 'of the kind "mcp"'],
      ['/messages', { ...said('a'), mcp_servers: [] }, 'mcp_servers is not'],
      ['/messages', { ...said('a'), tools: [{ type: 'web_fetch_20250910', name: 'f' }] }, 'the tool web_fetch_20250910 of a provider'],
      ['/messages', said([{ type: 'image', source: { type: 'url', url: 'https://evil.example' } }]), 'by its address'],
      ['/messages', said([{ type: 'document', source: { type: 'file', file_id: 'f' } }]), 'a provider’s reference'],
      ['/messages', { messages: [{ role: 'system', content: [{ type: 'text', text: 'a', mark: 1 }] }] }, 'content[0].mark is not'],
      ['/messages', { ...said('a'), thread: { type: 'create' } }, 'thread: the host keeps nothing'],
    ];
    const asked = JSON.stringify(cases.map(([path, body]) => [path, body]));
    const body = `return await Promise.all(${asked}.map(async ([path, body]) => (await (await askModel(path, body)).json()).error.message))`;
    const effects = begun(body).effects;
    expect(effects.at(-1)?.['output']).toEqual(cases.map(([, , why]) => expect.stringContaining(why) as string));
    expect(effects).toHaveLength(1);
  });
});

/** The answer, and the input of the next request, which has it in its conversation. */
const turn = (path: string, request: string, next: string) => {
  const body = `const answer = await (await askModel('${path}', ${request})).json(); emit('answer', answer); await askModel('${path}', ${next})`;
  const { one } = begun(body);
  const [said, call] = one.crank(reply(1, CALLS));
  return { answer: said?.['data'], prompt: (call?.['input'] as { readonly prompt?: unknown } | undefined)?.prompt };
};
const ECHOED = {
  type: 'tool-call',
  toolCallId: 'c1',
  toolName: 'look',
  input: { a: 1 },
  providerOptions: { google: { thoughtSignature: 't' } },
};
/** CALLS in the next prompt. */
const BACK = [
  {
    role: 'assistant',
    content: [
      { type: 'reasoning', text: 'hm', providerOptions: { anthropic: { signature: 'sig' } } },
      { type: 'text', text: 'Hi.' },
      ECHOED,
    ],
  },
];

describe('an answer becomes one of the API, and goes back as it came', () => {
  test('by chat', () => {
    const { answer, prompt } = turn('/chat/completions', HELLO, `{ messages: [answer.choices[0].message] }`);
    expect(answer).toEqual({
      id: 'r-1',
      object: 'chat.completion',
      created: 1_795_953_600,
      model: 'm-1',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hi.', refusal: null, annotations: [], tool_calls: ASSISTANT.tool_calls },
          logprobs: null,
          finish_reason: 'tool_calls',
        },
      ],
      usage: {
        prompt_tokens: 10,
        completion_tokens: 3,
        total_tokens: 13,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 1 },
      },
      system_fingerprint: 'fp',
    });
    expect(prompt).toEqual([{ role: 'assistant', content: [{ type: 'text', text: 'Hi.' }, ECHOED] }]);
  });

  test('by responses', () => {
    const { answer, prompt } = turn('/responses', `{ input: 'hello' }`, `{ input: answer.output }`);
    expect(answer).toMatchObject({
      id: 'r-1',
      status: 'completed',
      output: [
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }] },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hi.' }] },
        { type: 'function_call', call_id: 'c1', name: 'look', arguments: '{"a":1}' },
      ],
      usage: { input_tokens: 10, input_tokens_details: { cached_tokens: 4 }, output_tokens: 3, total_tokens: 13 },
    });
    expect(prompt).toEqual(BACK);
  });

  test('by messages', () => {
    const { answer, prompt } = turn(
      '/messages',
      `{ ...${HELLO}, max_tokens: 9 }`,
      `{ max_tokens: 9, messages: [{ role: 'assistant', content: answer.content }] }`,
    );
    expect(answer).toMatchObject({
      id: 'r-1',
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 'sig' },
        { type: 'text', text: 'Hi.' },
        { type: 'tool_use', id: 'c1', name: 'look', input: { a: 1 } },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 6, cache_read_input_tokens: 4, cache_creation_input_tokens: 0, output_tokens: 3 },
    });
    expect(prompt).toEqual(BACK);
  });

  test.each([
    ['/chat/completions', HELLO, 'answer.choices[0].message.content'],
    [
      '/responses',
      `{ input: 'a' }`,
      `answer.output.filter(({ type }) => type === 'message').map(({ content }) => content[0].text).join('')`,
    ],
    [
      '/messages',
      `{ ...${HELLO}, max_tokens: 9 }`,
      `answer.content.filter(({ type }) => type === 'text').map(({ text }) => text).join('')`,
    ],
  ])('by %s a structured answer is its one text, and it names the model of a provider that does not', (path, request, text) => {
    const structured = { ...CALLS, structuredOutputText: '{"a":1}', response: {}, maker: { provider: 'p', model: 'm-2' } };
    const body = `const answer = await (await askModel('${path}', ${request})).json(); return [answer.model, ${text}]`;
    expect(outcomeAfter(body, reply(1, structured))).toEqual(['m-2', '{"a":1}']);
  });

  test('a provider that does not count has no usage told for it', () => {
    const uncounted = reply(1, { ...ANSWER, usage: { inputTokens: {}, outputTokens: {} } });
    expect(outcomeAfter(`return 'usage' in await (await askModel('/chat/completions', ${HELLO})).json()`, uncounted)).toBe(false);
    expect(outcomeAfter(`return (await (await askModel('/responses', { input: 'a' })).json()).usage`, uncounted)).toBe(null);
  });
});

describe('a stream', () => {
  const READS = `const r = await askModel(path, { ...${HELLO}, max_tokens: 9, input: undefined, stream: true, ...more });
    emit('status', r.status); for await (const bytes of r.body) emit('line', new TextDecoder().decode(bytes));`;
  const chunk = (offset: number, ...parts: readonly object[]) => ({ kind: 'chunk', id: 1, offset, parts });
  const delta = { type: 'text-delta', id: '0', delta: 'Hi.' };
  const lost = { code: 'CORRAL_STREAM_LOST', class: 'StreamLost', message: 'gone', hint: 'h', retryable: false, call: 1 };
  const said = (effects: readonly { readonly kind: string }[]) =>
    effects.filter(({ kind }) => kind === 'emit').map((one) => (one as { readonly data?: unknown }).data);

  test('is one of the capability, whose parts are asked for when the SDK reads', () => {
    const { one, effects } = begun(`const path = '/chat/completions', more = { stream_options: { include_usage: true } }; ${READS}`);
    expect(effects).toMatchObject([
      { kind: 'call', id: 1, stream: true },
      { kind: 'pull', id: 1 },
    ]);
    const first = one.crank(chunk(0, { type: 'response-metadata', modelId: 'm-1' }, { type: 'text-start', id: '0' }, delta));
    expect(said(first)).toEqual([200, expect.stringMatching(/^data: \{.*"model":"m-1".*"content":"Hi\."/) as string]);
    expect(first.at(-1)).toEqual({ kind: 'pull', id: 1 });
    const end = one.crank(reply(1, { ...ANSWER, content: [], text: '' }));
    expect(said(end)).toEqual([expect.stringMatching(/"finish_reason":"stop".*"total_tokens":13.*data: \[DONE\]\n\n$/s) as string]);
    expect(end.at(-1)).toMatchObject({ kind: 'finish' });
  });

  test.each(['/messages', '/responses'])('by %s ends with what the provider counted', (path) => {
    const more = path === '/messages' ? '{}' : `{ messages: undefined, max_tokens: undefined, input: 'hello' }`;
    const { one } = begun(`const path = '${path}', more = ${more}; ${READS}`);
    one.crank(chunk(0, { type: 'text-start', id: '0' }, delta, { type: 'text-end', id: '0' }));
    expect(said(one.crank(reply(1, ANSWER))).join('')).toMatch(
      path === '/messages' ? /"output_tokens":3.*message_stop/s : /response\.completed.*"total_tokens":13/s,
    );
  });

  test.each(['/messages', '/responses', '/chat/completions'])('by %s says from its first event on which model answers', (path) => {
    const more = path === '/responses' ? `{ messages: undefined, max_tokens: undefined, input: 'hello' }` : '{}';
    const { one } = begun(`const path = '${path}', more = ${more}; ${READS}`);
    const [, first] = said(
      one.crank(
        chunk(
          0,
          { type: 'stream-start', warnings: [] },
          { type: 'response-metadata', id: 'r-1', modelId: 'm-1' },
          { type: 'text-start', id: '0' },
          delta,
        ),
      ),
    );
    expect(first).toMatch(/"id":"r-1".*"model":"m-1"/);
  });

  test('fails with a status before its first part, and breaks off after it', () => {
    const body = `const path = '/chat/completions', more = {}; try { ${READS} } catch (error) { return [error.name, error.cause.code] }`;
    const early = begun(body).one;
    expect(
      said(early.crank({ kind: 'reply', results: [{ id: 1, error: { ...lost, code: 'CORRAL_TOOL_FAILED', class: 'ToolFailed' } }] }))[0],
    ).toBe(400);
    const late = begun(body).one;
    late.crank(chunk(0, { type: 'text-start', id: '0' }, delta));
    expect(late.crank({ kind: 'reply', results: [{ id: 1, error: lost }] }).at(-1)).toMatchObject({
      output: ['TypeError', 'CORRAL_STREAM_LOST'],
    });
  });

  test('that an SDK leaves gives the call up', () => {
    const { one } = begun(
      `const r = await askModel('/chat/completions', { ...${HELLO}, stream: true }); for await (const bytes of r.body) break; await new Promise(() => {})`,
    );
    expect(one.crank(chunk(0, { type: 'text-start', id: '0' }, delta))).toEqual([{ kind: 'abort', id: 1 }]);
  });
});

test('a stream has the whole answer at once if the host gives it as a whole only', () => {
  const body = `let text = ''; for await (const bytes of (await askModel('/chat/completions', { ...${HELLO}, stream: true })).body) text += new TextDecoder().decode(bytes); return text`;
  const whole = { code: 'CORRAL_STREAM_UNSUPPORTED', class: 'ToolFailed', message: 'no', hint: 'h', retryable: false, call: 1 };
  const { one } = begun(body);
  expect(one.crank({ kind: 'reply', results: [{ id: 1, error: whole }] })).toMatchObject([{ kind: 'call', id: 2 }]);
  expect(one.crank(reply(2, ANSWER)).at(-1)?.['output']).toMatch(/"content":"Hi\.".*"finish_reason":"stop".*data: \[DONE\]\n\n$/s);
});
