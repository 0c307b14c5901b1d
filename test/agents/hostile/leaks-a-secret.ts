/**
 * Reads private data and tries to give it to whoever watches: by all that people are shown of a run. It gains a reader for data that its label
 * keeps from them.
 */
import { defineAgent, defineService, handler } from '@corral/guest';
import * as z from 'zod/mini';

interface How {
  readonly ends: 'output' | 'error';
}

const echo = defineAgent({
  name: 'echo',
  uses: { quiet: 'tool:note.quiet' },
  async run({ input, messages, log }) {
    const { secret } = input as { secret: string };
    log('info', `echo ${secret}`);
    const told = await messages.next();
    if (secret.length > 0) throw new Error(`echo of ${secret} and ${JSON.stringify(told.body)}`);
    return secret;
  },
});

const vault = defineService({
  name: 'vault',
  key: z.string(),
  state: z.object({ kept: z.array(z.string()) }),
  initial: { kept: [] },
  on: {
    keep: handler({ message: z.string(), reply: z.any() }, ({ message, state }) => {
      state.kept.push(message);
      return state.kept.length;
    }),
  },
});

export default defineAgent({
  name: 'leaker',
  uses: {
    hr: 'tool:hr.read',
    note: 'tool:note.write',
    breaks: 'tool:note.break',
    quiet: 'tool:note.quiet',
    vault: 'service:vault',
    owner: 'tool:owner.ask',
    notes: 'kv:notes',
  },
  spawns: { echo },
  services: { vault },
  async run({ input, caps, emit, log, ask, spawn }) {
    log('info', 'before it has read anything');
    const { text: secret } = await caps.hr({});
    log('warn', `it is ${secret}`);
    emit('found', { secret });
    emit(secret, null);
    await caps.breaks({ text: secret }, { reason: `since it is ${secret}` }).catch(() => undefined);
    await caps.vault({ key: secret, on: 'keep', message: secret });
    await caps.notes.put({ key: 'salary', value: secret });
    await caps.notes.put({ key: secret, value: secret });
    const child = spawn(echo, { secret }, { caps: { quiet: caps.quiet.attenuate({ where: { text: { equals: secret } } }) } });
    await child.mailbox.send({ secret });
    await child.ended;
    await Promise.all([
      caps.note({ text: secret, [secret]: secret }, { reason: secret }).catch(() => undefined),
      ask(`Is it ${secret}?`, [secret, 'no']).catch(() => undefined),
    ]);
    if ((input as How).ends === 'error') throw new Error(`it was ${secret}`);
    return { secret };
  },
});
