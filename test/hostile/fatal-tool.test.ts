/** A run whose tool kills its host is set aside, though it waits for a call and is on no CPU when the host dies. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { temporary } from '../world.ts';

interface Stand {
  readonly tool: string;
  readonly control: string;
  readonly cranks: number;
}
type Stands = readonly Stand[];

const HOST = fileURLToPath(new URL('./fatal-host.ts', import.meta.url));

/**
 * Starts the host. @returns how its runs stood last when the process had died, or the first time that `enough` held
 * @throws when the host ended otherwise than by its tool, since what follows would then wait for a run that is not there
 */
async function start(folder: string, enough: (stands: Stands) => boolean, ...more: string[]): Promise<{ died: boolean; stands: Stands }> {
  const child = spawn(process.execPath, [HOST, folder, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = new Promise<string>((resolve) => child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`)));
  let stands: Stands = [];
  for await (const line of createInterface({ input: child.stdout })) {
    stands = JSON.parse(line) as Stands;
    if (!enough(stands)) continue;
    child.kill('SIGKILL');
    return { died: false, stands };
  }
  const how = await exited;
  if (how !== 'SIGKILL') throw new Error(`the host ended by itself: ${how}`);
  return { died: true, stands };
}

const of = (stands: Stands, tool: string) => stands.find((one) => one.tool === tool);

test('a run whose tool killed three hosts is set aside by the fourth, and the others go on', { tags: 'long' }, async () => {
  const folder = await temporary();
  const never = () => false;
  expect(await start(folder, never, 'submit')).toMatchObject({ died: true });
  expect(await start(folder, never)).toMatchObject({ died: true });
  const third = await start(folder, never);
  expect(third.died).toBe(true);
  const before = of(third.stands, 'fine')?.cranks ?? 0;
  const fourth = await start(folder, (stands) => (of(stands, 'fine')?.cranks ?? 0) > before + 4);
  expect(fourth.died).toBe(false);
  expect(of(fourth.stands, 'bomb')?.control).toBe('quarantined');
});
