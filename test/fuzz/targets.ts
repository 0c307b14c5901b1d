/** The parts of Corral that read what strangers wrote, each with what must hold for any input, and a bug that is planted in its way. */
import { deepStrictEqual } from 'node:assert/strict';
import { parseEffects } from '@corral/broker/effects/parse';
import { CorralError } from '@corral/protocol/errors';
import { DEFAULT_CEILINGS } from '@corral/protocol/limits';
import { Bundle } from '@corral/protocol/model/manifest';
import { FaultPayload } from '@corral/protocol/wire/cell-reports';
import { firstDifferenceOf } from '@corral/protocol/wire/difference';
import { encodeFrame, FrameKind, FrameReader, type Frame } from '@corral/protocol/wire/frame';
import { Config } from '@corral/server/config/schema';
import { BODIES } from './bodies.ts';
import { holds, plant, type Target } from './engine.ts';
import { POLICIES } from './policies.ts';

const head = { incarnation: 1, assignment: 1, crank: 1, cpu_us: 5, heap_kib: 6 };
const frame = (kind: FrameKind, payload: string) => encodeFrame({ ...head, kind }, payload).toString('latin1');

/** Frames of a stream that arrives in pieces of that size, and the code of the error that ended it. */
function read(bytes: Buffer, size: number, planted: boolean): [Frame[], string | undefined] {
  const frames: Frame[] = [];
  const reader = new FrameReader({ accept: { [FrameKind.cranked]: 1000, [FrameKind.fault]: 100, [FrameKind.replayed]: 0 } });
  try {
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.subarray(at, at + size);
      // The planted bug: a byte is lost where a header ends with its piece.
      reader.push(planted && size === 28 && at > 28 && piece[4] === FrameKind.fault ? piece.subarray(1) : piece, (one) => frames.push(one));
    }
    return [frames, undefined];
  } catch (error) {
    if (!(error instanceof CorralError)) throw error;
    return [frames, error.code];
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
const AGENT = `{"name":"a","purpose":"","image":"base","uses":{"r":"tool:fs.read"},"spawns":[],"input":null,"output":null,"ceilings":{},"budget":{"calls":1},"on_unknown":"wait"}`;

export const TARGETS: readonly Target[] = [
  {
    name: 'frames',
    seeds: [frame(FrameKind.cranked, '[]'), frame(FrameKind.replayed, '') + frame(FrameKind.fault, '{"fault":"load","message":"x"}')],
    words: [frame(FrameKind.fault, 'x'), frame(FrameKind.replayed, ''), '\u0021\0\0\0', '\uffff'],
    run(input, planted) {
      const whole = read(input, Math.max(1, input.length), planted);
      for (const size of [1, 7, 28, 29, 4096]) deepStrictEqual(read(input, size, planted), whole);
      for (const { payload } of whole[0]) holds(FaultPayload, parsed(payload));
    },
  },
  {
    name: 'effects',
    seeds: [
      '[{"kind":"call","id":1,"cap":1,"input":{"a":[1]}},{"kind":"timer","id":2,"ms":5}]',
      '[{"kind":"log","level":"info","text":"x"},{"kind":"finish","output":null}]',
      '[{"kind":"spawn","id":1,"agent":"k","input":{},"caps":{"t":{"cap":1,"where":{"p":{"under":"a"}}}},"budget":{"calls":1}}]',
    ],
    words: [
      '{"kind":"',
      '"id":1',
      '"handles":[{"path":["input"],"handle":1}]',
      '{"kind":"drop","handle":1}',
      ',',
      '"__proto__":',
      '\\u0000',
      '"retry":{"attempts":2}',
    ],
    run(input, planted) {
      const text = input.toString('utf8');
      const effects = parseEffects(text, DEFAULT_CEILINGS);
      if (!Array.isArray(effects)) return;
      const said = parsed(text);
      if (!Array.isArray(said) || said.length !== effects.length) throw new Error('There are other effects than the text has.');
      plant(planted, effects.length > 1 && effects.some(({ kind }) => kind === 'drop'));
    },
  },
  {
    name: 'bundles',
    seeds: [`{"source":"x","agents":[${AGENT}]}`, AGENT],
    words: [
      AGENT,
      '"service":{"key":null,"state":null,"on":{}}',
      '"on_unknown":"tell"',
      '"ceilings":{"memory_mib":32}',
      '{"type":"object"}',
      '"mailbox"',
      '"services":[]',
    ],
    run(input, planted) {
      const value = parsed(input.toString('utf8'));
      holds(Bundle, value);
      const one = holds(Bundle.shape.agents.element, value) as { readonly on_unknown?: string } | undefined;
      plant(planted, one?.on_unknown === 'tell');
    },
  },
  {
    name: 'journals',
    seeds: ['[{"kind":"log","text":"a"}]\n[{"kind":"log","text":"b"}]', '[{"b":1,"a":[1,{}]}]\n[{"a":[1,{}],"b":1}]', '[]\n[]'],
    words: ['\n', '[{"kind":"finish"}]', '{"a":', '1.0', '"\\u0061"', '[[]]', '{}'],
    run(input, planted) {
      const [expected = '', seen = ''] = input.toString('utf8').split('\n');
      if (parsed(expected) === undefined || parsed(seen) === undefined) return;
      const [one, other] = [firstDifferenceOf(expected, seen), firstDifferenceOf(seen, expected)];
      if ((one === undefined) !== (other === undefined)) throw new Error('Two records differ in one direction only.');
      if (firstDifferenceOf(seen, seen) !== undefined) throw new Error('A record differs from itself.');
      plant(planted, one?.kind === 'extra');
    },
  },
  {
    name: 'configurations',
    seeds: ['{"tenants":{"crew":{}}}', '{"door":{"rate_per_s":10},"limits":{"runs_in_memory":100}}', '{"spend":{}}'],
    words: [
      '"tenants":{"zoo":{},"crew":{}}',
      '"crew":{"residents":5}',
      '"policies":"a.cedar"',
      '"limits":{',
      '"door":{',
      '"people":{',
      '"loops":',
      '"tool_limits":{',
      '"budget":{"calls":1}',
      '"cells":2',
    ],
    run(input, planted) {
      const result = Config.safeParse(parsed(input.toString('utf8')));
      plant(planted, result.success && Object.keys(result.data.tenants ?? {}).length > 1);
    },
  },
  POLICIES,
  BODIES,
];
