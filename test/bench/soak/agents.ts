/** The agents of the soak. Each returns what it did, to be compared with the lines that its tools wrote. */

/** Shared by all agents: counts answers of calls, and collects the codes of failures. */
const COUNTED = `import { defineAgent, defineService, handler } from '@corral/guest';
const counting = () => {
  const done = { once: 0, again: 0, pay: 0, failed: [] };
  const call = (name, promise) => promise.then(() => { done[name] += 1 }, (error) => { done.failed.push(error.code ?? String(error)) });
  return { done, call };
};
`;

const SHORT = `export default defineAgent({ name: 'short', uses: { once: 'tool:soak.once', again: 'tool:soak.again' }, async run({ input, caps, sleep }) {
  const { done, call } = counting();
  await call('again', caps.again({ n: input.n }));
  await sleep(5);
  await Promise.all([call('once', caps.once({ n: input.n })), call('again', caps.again({ n: input.n + 0.5 }))]);
  return done;
} });`;

const FAMILY = `const member = defineAgent({ name: 'family/member', uses: { once: 'tool:soak.once' }, async run({ input, caps, messages, run }) {
  const { done, call } = counting();
  const asked = await messages.next();
  await call('once', caps.once({ n: input.n }));
  asked.reply(asked.body * 2);
  return { ...done, run };
} });
export default defineAgent({ name: 'family', uses: { once: 'tool:soak.once' }, spawns: { member }, async run({ input, caps, spawn }) {
  const kids = [1, 2].map((n) => spawn(member, { n: input.n + n / 10 }, { caps: { once: caps.once }, budget: { calls: 2, cpu_ms: 2000 } }));
  const replies = await Promise.all(kids.map((kid, i) => kid.mailbox.request(i + 1)));
  const ends = await Promise.all(kids.map((kid) => kid.ended));
  return { members: ends.map((end) => end.output ?? end.kind), replies };
} });`;

const COUNTER = `import * as z from 'zod/mini';
export default defineService({
  name: 'counter', state: z.object({ times: z.number(), sum: z.number() }), initial: { times: 0, sum: 0 },
  on: {
    add: handler({ message: z.number(), reply: z.number() }, async ({ message, state, sleep }) => {
      await sleep(5);
      state.times += 1;
      state.sum += message;
      return state.times;
    }),
    total: handler({ message: z.any(), reply: z.any() }, ({ state }) => state),
  },
});`;

const ASKER = `export default defineAgent({ name: 'asker', uses: { pay: 'tool:soak.pay' }, async run({ input, caps }) {
  const { done, call } = counting();
  await call('pay', caps.pay({ n: input.n }, { timeout_ms: input.timeout_ms }));
  return done;
} });`;

const SLEEPER = `export default defineAgent({ name: 'sleeper', uses: { once: 'tool:soak.once' }, async run({ input, caps, sleep }) {
  const { done, call } = counting();
  const due = Date.now() + input.ms;
  await sleep(input.ms);
  const woke = Date.now();
  await call('once', caps.once({ n: input.n }));
  return { ...done, due, woke };
} });`;

const TICK = `export default defineAgent({ name: 'tick', uses: { again: 'tool:soak.again' }, async run({ caps }) {
  const { done, call } = counting();
  await call('again', caps.again({ n: Date.now() }));
  return done;
} });`;

export const AGENTS: readonly string[] = [SHORT, FAMILY, COUNTER, ASKER, SLEEPER, TICK].map((agent) => COUNTED + agent);
