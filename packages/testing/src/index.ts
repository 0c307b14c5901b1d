/**
 * Tests of agents: the real agent in a real isolate behind the real broker, with fakes for what it may touch. A test checks effects: which ones, in which order, and how the run ended.
 */
export { AgentFailed, agentUnderTest, type AgentUnderTest, type RunOptions, type TestedRun } from './agent.ts';
export type { Fake, FakeTool, Fakes, TestedCall, Turn } from './fakes.ts';
export type { Answered, Asked, Rules } from './rules.ts';
export { Differs, repeats } from './repeats.ts';
