import { describe, expect, it } from 'vitest';
import { BEFORE, CONTENT, CORRAL, GEN_AI, latestOnly, METRICS, OPERATION, SCHEMA_URL, SPAN } from './names.ts';

describe('the names of telemetry', () => {
  it('are those of the GenAI conventions v0.1.0: a change here is a change of version, and breaks the dashboards of others', () => {
    expect(SCHEMA_URL).toBe('https://opentelemetry.io/schemas/gen-ai/0.1.0');
    expect(Object.values(GEN_AI)).toEqual([
      'gen_ai.operation.name',
      'gen_ai.agent.name',
      'gen_ai.agent.version',
      'gen_ai.conversation.id',
      'gen_ai.tool.name',
      'gen_ai.tool.call.id',
      'gen_ai.provider.name',
      'gen_ai.request.model',
      'gen_ai.usage.input_tokens',
      'gen_ai.usage.output_tokens',
      'error.type',
    ]);
    expect(Object.values(CONTENT)).toEqual([
      'gen_ai.tool.call.arguments',
      'gen_ai.tool.call.result',
      'gen_ai.input.messages',
      'gen_ai.output.messages',
    ]);
    expect(Object.values(OPERATION)).toEqual(['invoke_agent', 'execute_tool', 'chat']);
    expect(
      Object.values(METRICS).flatMap(({ name, ...more }) => (name.startsWith('gen_ai.') && !('before' in more) ? [name] : [])),
    ).toEqual([
      'gen_ai.invoke_agent.duration',
      'gen_ai.invoke_agent.inference_calls',
      'gen_ai.invoke_agent.tool_calls',
      'gen_ai.execute_tool.duration',
      'gen_ai.client.inference.duration',
      'gen_ai.client.inference.time_to_first_chunk',
      'gen_ai.client.inference.usage.input_tokens',
      'gen_ai.client.inference.usage.output_tokens',
    ]);
  });

  it('have older ones apart, since they go away when the environment asks for the latest', () => {
    expect(Object.values(BEFORE)).toEqual(['gen_ai.system', 'gen_ai.token.type']);
    expect(Object.values(METRICS).flatMap((one) => ('before' in one ? [one.name] : []))).toEqual([
      'gen_ai.client.operation.duration',
      'gen_ai.client.operation.time_to_first_chunk',
      'gen_ai.client.token.usage',
    ]);
    expect(
      [undefined, '', 'http', 'http,gen_ai_latest_experimental', ' gen_ai_latest_experimental '].map((said) => latestOnly(said)),
    ).toEqual([false, false, false, true, true]);
  });

  it('begin with corral where no convention has a name', () => {
    const own = Object.values(METRICS).flatMap(({ name }) => (/^(?:gen_ai|process)\./.test(name) ? [] : [name]));
    const spans = Object.values(SPAN).filter((name) => !Object.values<string>(OPERATION).includes(name));
    for (const name of [...own, ...Object.values(CORRAL), ...spans]) expect(name).toMatch(/^corral\.[a-z_.]+$/);
    expect(new Set(own).size).toBe(own.length);
  });

  it('never label a figure by a run, a principal or a machine', () => {
    const labels = new Set(Object.values(METRICS).flatMap((one) => one.labels));
    for (const label of [CORRAL.run, GEN_AI.conversation, GEN_AI.toolCall]) expect(labels).not.toContain(label);
  });
});
