/** Runs programs about asynchronous contexts. */
import { defineAgent } from '@corral/guest';
import * as hooks from 'node:async_hooks';
import { interpreter, type Hooks, type Program } from './programs.ts';

export default defineAgent({
  name: 'contexts',
  ceilings: { crank_cpu_ms: 10_000 },
  run: ({ input }) => interpreter(hooks as Hooks).all(input as readonly Program[]),
});
