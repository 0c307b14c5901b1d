import { afterEach, describe, expect, it } from 'vitest';
import { Telemetry, type TelemetryOptions } from './thread.ts';

/** A thread that dies of readings, and answers those who ask with some. */
const DYING = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', (message) => {
      if (message.kind === 'readings') throw new Error('it has died');
      if (message.kind === 'close') parentPort.postMessage({ kind: 'closed' });
      if (message.kind === 'text' && message.readings.length > 0) parentPort.postMessage({ kind: 'text', id: message.id, text: 'here' });
    });`)}`,
);

const open: Telemetry[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

function started() {
  const lost: { readonly why: string; readonly again: boolean }[] = [];
  const waiting: (() => void)[] = [];
  const options: TelemetryOptions = {
    collector: undefined,
    sample: 1,
    latest: true,
    resource: { attributes: [], version: '0' },
    onTrouble: () => undefined,
    onFault: () => undefined,
    onLost(error, again) {
      lost.push({ why: String(error), again });
      for (const done of waiting.splice(0)) done();
    },
  };
  const telemetry = new Telemetry(options, DYING);
  open.push(telemetry);
  const died = () => new Promise<void>((resolve) => waiting.push(resolve));
  return { telemetry, lost, died };
}
const ASKED = [['cells', [], 1]] as const;

describe('a thread of telemetry that dies', () => {
  it('is started once more, and those who waited for it are told', async () => {
    const { telemetry, lost, died } = started();
    const gone = died();
    // Nobody answers one that asks for nothing.
    let answer: unknown;
    telemetry.text([]).catch((error: unknown) => (answer = error));
    telemetry.read([]);
    await gone;
    // At once, and not when its time is up.
    await new Promise((resolve) => setImmediate(resolve));
    expect(answer).toMatchObject({ code: 'CORRAL_TELEMETRY_LOST' });
    expect(lost).toEqual([{ why: 'Error: it has died', again: true }]);
    expect(await telemetry.text(ASKED)).toBe('here');
  });

  it('is not started for ever', async () => {
    const { telemetry, lost, died } = started();
    for (let i = 0; i < 2; i++) {
      const gone = died();
      telemetry.read([]);
      await gone;
    }
    expect(lost.map(({ again }) => again)).toEqual([true, false]);
    await expect(telemetry.text(ASKED)).rejects.toMatchObject({ code: 'CORRAL_TELEMETRY_LOST' });
  });
});
