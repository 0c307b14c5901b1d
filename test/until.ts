/** Waiting that ends: what does not come in time fails the test, and the failure says what was waited for. */
import { TestRunner } from 'vitest';

/** As long as a machine that does ten other things may take. */
const WITHIN_MS = 90_000;
/** Kept of the time of the test, so that the message here comes before the runner's, which cannot say what was waited for. */
const SPARE_MS = 1_000;

/** Milliseconds until a wait that begins now has to be over. */
function timeLeft(): number {
  const test = TestRunner.getCurrentTest();
  const began = test?.result?.startTime;
  if (test === undefined || began === undefined) return WITHIN_MS;
  return Math.min(WITHIN_MS, Math.max(SPARE_MS, began + test.timeout - Date.now() - SPARE_MS));
}

const moment = () => new Promise((resolve) => setTimeout(resolve, 5));

/**
 * Looks again and again until it holds.
 * @param what said when it does not come to hold; by default the text of `holds`
 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string = holds.toString(),
  within_ms = timeLeft(),
): Promise<void> {
  const end = performance.now() + within_ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`After ${(within_ms / 1000).toFixed(1)} s this did not hold: ${what}`);
    await moment();
  }
}

/**
 * Looks again and again until there is something.
 * @param what said when nothing comes
 */
export async function found<T>(look: () => T | undefined | Promise<T | undefined>, what: string): Promise<T> {
  let seen: T | undefined;
  await until(async () => (seen = await look()) !== undefined, what);
  return seen as T;
}

/**
 * Waits for what comes by itself.
 * @param what said when it does not come
 */
export async function within<T>(coming: Promise<T>, what: string): Promise<T> {
  const within_ms = timeLeft();
  const { promise: over, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`After ${(within_ms / 1000).toFixed(1)} s this had not come: ${what}`)), within_ms);
  return Promise.race([coming, over]).finally(() => clearTimeout(timer));
}

/**
 * The waits that only real time can end, each with its reason. Lint keeps timers out of every other test
 * (`.oxlintrc.json`, "Tests wait for what they wait for"), so this table has all of them.
 */
const REAL_TIME = {
  'a request that comes in pieces': 'Only the time between them keeps the pieces apart on their way.',
  'a host that counts as stalled after a second':
    'The front door reads the clock of the machine, and nothing happens when it finds nothing.',
  'a look of the watch, before the host is held up':
    'The watch looks every few milliseconds and says nothing; after a longer wait the other runs are moved out of the cell.',
  'runs that take cells for themselves, one after another':
    'A tenant that gets too many cells gets them within seconds; one that does not stays as it is.',
  'the CPU time of a process that has stopped': 'The kernel counts in hundredths of a second, and says nothing when it counts no more.',
  'a cell that computes, where there is no /proc': 'Nothing else tells how much of the CPU a process has had.',
  'a kill at several moments': 'The backup is another process, which says nothing between its beginning and its end.',
  'a drain that has stopped its calls': 'What a drain does first has no trace outside of it until the calls have answered.',
  'a hint that must not come': 'Wake-ups have no order in which a later hint could show that an earlier one is not on its way.',
  'a connection that keeps being refused': 'Redis is tried again all the time; that nobody hears of it a second time has no event.',
  'calls that give back the room they had': 'Room is given back by a timer, and nothing says when the last of it was.',
  'a model that speaks word by word': 'Only the time between the words keeps them apart on their way.',
  'a follower whose host is gone': 'Nothing tells a client in another process when its host is back.',
  'a request whose host is gone': 'Nothing tells anybody that a request is still on its way to another process.',
  'a kill in the middle of calls': 'The moment within a call at which it comes is what is tried.',
  'a server that takes a moment over a call': 'Only the time between its steps makes a moment between them.',
  'a model that has something tried again': 'What has failed is mended from outside, and nothing tells the model when.',
  'runs that sleep and wake on a host until it is killed': 'The host is another process, and has to be killed at no certain moment.',
} as const;

/** Waits for time to pass, for a reason of the table. */
export const realTime = (ms: number, _reason: keyof typeof REAL_TIME): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
