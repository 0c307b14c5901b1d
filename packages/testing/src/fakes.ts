/** Fakes in the places of tools: those of a configuration keep their schemas and annotations, others have what the test says. */
import * as z from 'zod';
import { CorralError } from '@corral/protocol/errors';
import { isHttp, modelIn } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { ASK_OWNER } from '@corral/protocol/model/question';
import { didYouMean } from '@corral/protocol/nearest';
import { contractOf, detailOf } from '@corral/protocol/ports/contract';
import { REVERSIBLE_CHANGE, type Tool, type ToolAnnotations, type ToolResult } from '@corral/protocol/ports/tool';
import { modelTool } from '@corral/tools/models/model';
import { handedOver, withContent, words } from '@corral/tools/models/parts';
import type { AnswerPart, ModelAnswer } from '@corral/tools/models/request';
import { answerWith, scriptedModel, type Turn } from '@corral/tools/models/scripted';

/** Stands for a tool: is given the arguments, gives the result. An exception reaches the agent as ToolFailed, with its message. */
export type Fake = (input: never) => unknown;
/** A fake with the annotations of the tool it stands for, where they matter. */
export interface FakeTool {
  readonly run: Fake;
  readonly annotations?: Partial<ToolAnnotations>;
  /** The tool’s own schemas, so that wrong arguments are refused as they would be. */
  readonly input?: z.ZodType;
  readonly output?: z.ZodType;
}
/** Fakes by name. The fake of a model, `model:default`, may be a script, or a function that gives the text of its answer. */
export type Fakes = Readonly<Record<string, Fake | FakeTool | readonly Turn[]>>;
export type { Turn };

export interface TestedCall {
  readonly tool: string;
  readonly input: unknown;
  /** Undefined where it failed or was never answered. */
  readonly output?: unknown;
  readonly error?: string;
}

/** Tools that a host has by its flags and not by its configuration. */
const OF_FLAGS: ReadonlySet<string> = new Set(['fs.read', 'fs.list', 'fs.write']);

/**
 * The tools of a test. None of a configuration is run: one without a fake fails its calls.
 * @param configured whether a configuration says which tools there are; else a fake may have any name
 * @throws CORRAL_FAKE_UNKNOWN for a fake of a tool that the configuration does not have
 */
export function faked(tools: readonly Tool[], fakes: Fakes, configured: boolean, tell: (call: TestedCall) => void): Tool[] {
  const offered = tools.map(({ name }) => name);
  for (const name of Object.keys(fakes)) {
    if (!configured || offered.includes(name) || OF_FLAGS.has(name)) continue;
    throw new CorralError(
      'CORRAL_FAKE_UNKNOWN',
      `The test fakes ${name}, and its configuration has no such tool.${didYouMean(name, offered)}`,
    );
  }
  const known = tools.map((tool) => {
    const fake = fakes[tool.name];
    if (fake === undefined && (asksNobody(tool) || tool.keeps === true)) return told(tool, tell);
    // A person answers it, and the fake is that person: `answersOf`.
    if (tool.asks !== undefined) return tool;
    if (fake === undefined) return { ...tool, invoke: () => Promise.resolve(missing(tool.name, fakes)) };
    if (isScript(fake)) return told(inPlaceOf(tool, scripted(tool.name, fake)), tell);
    const { run, annotations = {} } = wholeOf(fake);
    return { ...asWhole(tool), annotations: { ...tool.annotations, ...annotations }, invoke: invoking(tool, run, tell) };
  });
  const names = new Set(tools.map(({ name }) => name));
  const own = Object.entries(fakes).filter(([name]) => !names.has(name));
  return [...known, ...own.map(([name, fake]) => (isScript(fake) ? told(scripted(name, fake), tell) : toolOf(name, wholeOf(fake), tell)))];
}

/** The answers of people to questions, as the test says; the fake of the tool whose calls are questions is given the question. */
export function answersOf(fakes: Fakes): ((question: Json) => unknown) | undefined {
  const fake = fakes[ASK_OWNER];
  return fake === undefined || isScript(fake) ? undefined : (wholeOf(fake).run as (question: Json) => unknown);
}

/** A fake of what is asked by HTTP answers as a whole; parts are those of models. */
function asWhole(tool: Tool): Tool {
  const { streams: _streams, part: _part, end: _end, ...whole } = tool;
  return isHttp(tool.name) ? whole : tool;
}

/** Where nothing says which origins there are, a fake is asked about all. */
const EVERYWHERE = { origins: ['https://*', 'http://*'], methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] };

const isScript = (fake: Fakes[string]): fake is readonly Turn[] => Array.isArray(fake);

/** A scripted model of a configuration costs nothing and touches nothing, so a test need not replace it; nor a memory, which is empty here. */
const asksNobody = ({ maker }: Tool): boolean => maker?.provider === 'scripted';

function scripted(name: string, turns: readonly Turn[]): Tool {
  const model = { model: scriptedModel(turns), bounds: { max_output_tokens: 100_000 }, prices: () => 0 };
  return modelTool([model], { name: modelIn(name) ?? name });
}

/** The script with all by which the host decides about a call of the configured model: policies ask who made it, and purses what it costs. */
function inPlaceOf({ annotations, maker, bound }: Tool, script: Tool): Tool {
  const { maker: _maker, bound: _bound, ...rest } = script;
  return { ...rest, annotations, ...(maker === undefined ? {} : { maker }), ...(bound === undefined ? {} : { bound }) };
}

/** The tool, whose calls the test can look at. */
function told(tool: Tool, tell: (call: TestedCall) => void): Tool {
  return {
    ...tool,
    async invoke(call) {
      const { input, part } = call;
      const parts: AnswerPart[] = [];
      const noted = (one: Json) => {
        parts.push(one as AnswerPart);
        return part?.(one) ?? Promise.resolve();
      };
      const result = await tool.invoke(part === undefined ? call : { ...call, part: noted });
      const output = (value: unknown) => (part === undefined ? value : withContent(value as ModelAnswer, parts));
      tell({ tool: tool.name, input, ...(result.kind === 'ok' ? { output: output(result.value) } : { error: result.message }) });
      return result;
    },
  };
}

const wholeOf = (fake: Fake | FakeTool): FakeTool => (typeof fake === 'function' ? { run: fake } : fake);

function missing(name: string, fakes: Fakes): ToolResult {
  return { kind: 'failed', message: `The test gives no fake of ${name}. ${givenText(fakes)}` };
}

function givenText(fakes: Fakes): string {
  const given = Object.keys(fakes);
  return given.length === 0 ? 'It gives none.' : `It gives ${given.join(', ')}.`;
}

/** The agent uses a tool that the test does not have. */
class NoFake extends CorralError {
  override readonly hint = 'Give a fake for each tool in `uses` of the agent, or a configuration that has the tools.';
}

/**
 * Says to the author of a test why a deployment was refused.
 * @param refused by the host, which names the agent, the alias and the tool
 * @param where frames of the test
 */
export function inTestsWords(refused: unknown, fakes: Fakes, configured: boolean, where: string): unknown {
  if (!(refused instanceof CorralError) || refused.code !== 'CORRAL_CAP_UNKNOWN') return refused;
  const [, uses, tool] = /^(\S+ uses \S+ as (?:tool:)?((?:model:|http:)?[^\s:]+)), which/u.exec(refused.message) ?? [];
  if (uses === undefined || tool === undefined) return refused;
  const why = configured
    ? `and neither the configuration nor the test has such a tool.${didYouMean(tool, Object.keys(fakes))}`
    : `and the test gives no fake of it. ${givenText(fakes)}${didYouMean(tool, Object.keys(fakes))}`;
  const error = new NoFake(refused.code, `${uses}, ${why}`);
  error.stack = `${error.name}: ${error.message}\n${where}`;
  return error;
}

/** The arguments of a fake of which nothing but its annotations is known: a tool that moves money takes no call without the amount. */
function withAmount({ money }: Partial<ToolAnnotations>): z.ZodType {
  if (money === undefined) return z.unknown();
  const amount: z.ZodType = z.union([z.number(), z.string()]);
  return money.split('.').reduceRight((inner, name) => z.looseObject({ [name]: inner }), amount);
}

function toolOf(name: string, fake: FakeTool, tell: (call: TestedCall) => void): Tool {
  const { run, annotations = {}, input = withAmount(annotations), output = z.unknown() } = fake;
  const tool = {
    name,
    description: `A fake of ${name}.`,
    input: contractOf(input),
    output: contractOf(output, 'output'),
    annotations: { ...REVERSIBLE_CHANGE, ...annotations },
  };
  const more = modelIn(name) !== undefined ? { streams: true as const } : isHttp(name) ? { reaches: EVERYWHERE } : {};
  return { ...tool, ...more, invoke: invoking(tool, run, tell) };
}

function invoking({ name, output }: Pick<Tool, 'name' | 'output'>, run: Fake, tell: (call: TestedCall) => void): Tool['invoke'] {
  return async ({ input, part }) => {
    try {
      const said = (await run(input as never)) ?? null;
      const value = typeof said === 'string' && modelIn(name) !== undefined ? answerWith(said) : said;
      const fits = output.check(value);
      if (!fits.ok) {
        const where = fits.where === '' ? '' : `${fits.where}: `;
        throw new Error(`The fake of ${name} does not fit its output schema: ${where}${fits.message}.`);
      }
      tell({ tool: name, input, output: value });
      if (part === undefined || modelIn(name) === undefined) return { kind: 'ok', value };
      // It breaks off where the agent leaves the stream; the call was told above.
      return await handedOver(value as ModelAnswer, part, words).then((end) => ({ kind: 'ok' as const, value: end }), failed);
    } catch (error) {
      const result = failed(error);
      tell({ tool: name, input, error: result.message });
      return result;
    }
  };
}

const failed = (error: unknown) => ({
  kind: 'failed' as const,
  message: error instanceof Error ? error.message : String(error),
  detail: detailOf(error),
});
