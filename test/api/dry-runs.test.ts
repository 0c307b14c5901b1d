/** Dry runs: each act that takes something away has one, in the shape of the act; it changes nothing and leaves no row. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '@corral/protocol/api/client';
import { ROUTES, type RouteName } from '@corral/protocol/api/routes';
import type { Route } from '@corral/protocol/api/route';
import { HELLO, sharedFront, SLEEP } from '../front.ts';
import { found, until } from '../until.ts';

/** Acts without a dry run, each with the reason. */
const NONE: Partial<Record<RouteName, string>> = {
  deployAgent: 'adds a version, which takes nothing away; its alias is moved back by a rollback',
  forkRun: 'makes a new run',
  upgradeRun: 'replayRun says whether the run replays on the version',
  makeBackup: 'writes elsewhere',
  markRun: 'a mark is replaced by the next one',
  retryDeliveries: 'sends again what a receiver can tell apart by its id',
  makeToken: 'makes something; revokeToken takes it away',
  makeSchedule: 'makes something; removeSchedule takes it away',
  applyConfig: 'checkConfig says what would change',
  answerQuestion: 'is about the one question that the person has read',
  decideApproval: 'is about the one call that the person has read',
  withdrawApproval: 'listStanding says which calls would pass under it',
  beginLogin: 'keeps nothing but for minutes',
  finishLogin: 'gives the host something; logout takes it away',
  restoreSecret: 'gives back what revokeSecret has taken',
  readMemory: 'takes nothing away, and its row says who has read what',
  acceptTools: 'is about the differences that the person has read: listToolReviews has them',
};

const TOOLS = `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const hangs = (name, timeout_ms) => tool({ name, description: name, input: z.object({}), output: z.string(), timeout_ms,
  annotations: { readOnly: false, idempotent: false, destructive: false, returns: 'trusted' }, run: () => new Promise(() => {}) });
export default defineConfig({ policies: 'none', memory: { notes: { kind: 'kv' } }, secrets: { crm: { env: 'CRM' } }, mcp: { far: { url: 'http://127.0.0.1:9/mcp', private: true, login: {} } }, tools: [hangs('phone', 600_000), hangs('fax', 20)] });`;
const KEEPER = `{ name: 'keeper', uses: { notes: 'kv:notes' }, run: ({ caps }) => caps.notes.put({ key: 'a', value: 1 }) }`;
const CALLER = (tool: string) => `{ name: '${tool}', uses: { it: 'tool:${tool}' }, run: ({ caps }) => caps.it({}) }`;

const shared = sharedFront({ configCode: TOOLS });
let versions: string[];
beforeAll(async () => {
  const { deploy } = shared();
  versions = [await deploy(HELLO, { alias: 'prod' }), await deploy(SLEEP), await deploy(CALLER('phone')), await deploy(CALLER('fax'))];
  versions.push(await deploy(HELLO.replace('Hello', 'Good day'), { alias: 'prod' }));
  await deploy(KEEPER);
});

const hasDryRun = ({ body, query }: Route): boolean =>
  [body, query].some(
    (part) => part !== undefined && JSON.stringify(part.toJSONSchema({ unrepresentable: 'any', io: 'input' })).includes('"dryRun"'),
  );
const ACTS = (Object.entries(ROUTES) as [RouteName, Route][]).filter(([, { act }]) => typeof act === 'string');

test('every act in the table of routes has a dry run, or is listed with the reason why it needs none', () => {
  for (const [name, route] of ACTS) expect({ name, dry: hasDryRun(route) }).toEqual({ name, dry: NONE[name] === undefined });
  expect(Object.keys(NONE).filter((name) => !ACTS.some(([one]) => one === name))).toEqual([]);
});

/** One request: the answer to it as a dry run, and as the act. */
type Ask = (dryRun: boolean) => Promise<unknown>;
const reason = 'drill';
const dryQuery = (dryRun: boolean) => (dryRun ? { dryRun: 'true' } : {});
const ended = async (admin: Client): Promise<string> => {
  const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  return run;
};
const sleeping = async (admin: Client) => {
  const { run } = await admin.submitRun({ body: { agent: 'sleeper' } });
  await until(async () => (await admin.showRun({ params: { run } })).waiting === 'timer');
  return run;
};

/** Makes something to take away. @returns the request that takes it away */
const TAKES: Partial<Record<RouteName, (admin: Client) => Promise<Ask>>> = {
  async operate(admin) {
    const run = await sleeping(admin);
    return (dryRun) => admin.operate({ body: { operation: 'kill', target: { run }, reason, dryRun } });
  },
  async settleMany(admin) {
    return (dryRun) => admin.settleMany({ body: { act: 'fail', where: { agent: 'sleeper' }, reason, dryRun } });
  },
  async eraseRun(admin) {
    const run = (await ended(admin)) as never;
    return (dryRun) => admin.eraseRun({ params: { run }, body: { reason, dryRun } });
  },
  async collectGarbage(admin) {
    return (dryRun) => admin.collectGarbage({ body: { reason, dryRun } });
  },
  async learnProfile(admin) {
    for (let i = 0; i < 3; i++) await ended(admin);
    return (dryRun) => admin.learnProfile({ params: { agent: 'hello' }, body: { reason, dryRun } });
  },
  async deleteProfile(admin) {
    await admin.learnProfile({ params: { agent: 'hello' }, body: { reason } });
    return (dryRun) => admin.deleteProfile({ params: { agent: 'hello' }, query: { reason, ...dryQuery(dryRun) } });
  },
  async moveAlias(admin) {
    const version = versions[0] as never;
    return (dryRun) => admin.moveAlias({ params: { agent: 'hello', alias: 'stage' }, body: { version, reason, dryRun } });
  },
  async rollBack(admin) {
    return (dryRun) => admin.rollBack({ params: { agent: 'hello', alias: 'prod' }, body: { reason, dryRun } });
  },
  async resolveCall(admin) {
    const { run } = await admin.submitRun({ body: { agent: 'fax' } });
    const call = await found(
      async () => (await admin.runCalls({ params: { run } })).items.find(({ state }) => state === 'unknown'),
      'its result is unknown',
    );
    return (dryRun) => admin.resolveCall({ params: { run, call: call.call }, body: { how: 'fail', reason, dryRun } });
  },
  async releaseRun(admin) {
    const run = await sleeping(admin);
    return (dryRun) =>
      admin.releaseRun({ params: { run }, body: { reason, dryRun } }).catch((error: { code: string }) => ({ code: error.code }));
  },
  async revokeGrant(admin) {
    const { run } = await admin.submitRun({ body: { agent: 'phone' } });
    // In the journal, and so at its tool.
    await until(async () => (await admin.runCalls({ params: { run } })).items.length === 1);
    const grant = (await admin.showRun({ params: { run } })).caps.find(({ alias }) => alias === 'it')?.grant as never;
    return (dryRun) => admin.revokeGrant({ params: { grant }, body: { reason, dryRun } });
  },
  async putQuarantine(admin) {
    return (dryRun) => admin.putQuarantine({ body: { kind: 'agent', name: 'sleeper', reason, dryRun } });
  },
  async liftQuarantine(admin) {
    await admin.putQuarantine({ body: { kind: 'agent', name: 'fax', reason } });
    return (dryRun) => admin.liftQuarantine({ params: { kind: 'agent', name: 'fax' }, query: { reason, ...dryQuery(dryRun) } });
  },
  async revokeToken(admin) {
    const { token } = await admin.makeToken({ body: { name: 'gone', roles: ['auditor'] } });
    return (dryRun) => admin.revokeToken({ params: { token }, query: { reason, ...dryQuery(dryRun) } });
  },
  async removeSchedule(admin) {
    const { schedule } = await admin.makeSchedule({ body: { agent: 'hello', input: { name: 'A' }, cron: '0 0 1 1 *' } });
    return (dryRun) => admin.removeSchedule({ params: { schedule }, query: { reason, ...dryQuery(dryRun) } });
  },
  async removeMemory(admin) {
    const { run } = await admin.submitRun({ body: { agent: 'keeper' } });
    await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    return (dryRun) => admin.removeMemory({ body: { memory: 'notes', reason, dryRun } });
  },
  async revokeSecret(admin) {
    const account = (await admin.listSecrets({})).items[0]?.account ?? '';
    return (dryRun) => admin.revokeSecret({ body: { account, reason, dryRun } });
  },
  async logout(admin) {
    return (dryRun) => admin.logout({ body: { server: 'far', reason, dryRun } });
  },
};

/** Members that only the act or only its dry run has. */
const ONE_SIDED = new Set(['reach', 'id', 'at']);
const shapeOf = (value: unknown): string[] =>
  Object.keys(value as object)
    .filter((key) => !ONE_SIDED.has(key))
    .toSorted();
/** Moments are those of the request. */
const isMoment = (key: string) => /(^|_)(at|ms)$/.test(key);
const still = (value: unknown) =>
  JSON.parse(
    JSON.stringify(value, (key, one: unknown) =>
      isMoment(key) || ONE_SIDED.has(key) || String(one).startsWith('profile_') ? undefined : one,
    ),
  ) as Record<string, unknown>;

describe('a dry run', () => {
  test('is tried here for every route that has one', () => {
    expect(Object.keys(TAKES).toSorted()).toEqual(
      ACTS.filter(([, route]) => hasDryRun(route))
        .map(([name]) => name)
        .toSorted(),
    );
  });

  test.each(Object.keys(TAKES) as RouteName[])(
    'of %s answers in the shape of the act, changes nothing, and leaves no row',
    async (name) => {
      const { admin } = shared();
      const ask = (await TAKES[name]?.(admin)) as Ask;
      const rows = async () =>
        (await admin.listOperations({})).items.filter(({ operation }) => operation !== 'refuse-request').map(({ id }) => id);
      const before = await rows();
      const [first, again] = [await ask(true), await ask(true)];
      // Asked twice, it says the same: the first one has changed nothing.
      expect(still(again)).toEqual(still(first));
      expect(await rows()).toEqual(before);
      const done = await ask(false);
      expect(shapeOf(first)).toEqual(shapeOf(done));
      // A refusal is counted elsewhere.
      expect((await rows()).length > before.length).toBe(name !== 'releaseRun');
    },
  );

  test('of a revocation names runs and calls under way; with its preview, the act is refused if it would reach others by then', async () => {
    const { admin } = shared();
    const ask = (await TAKES.revokeGrant?.(admin)) as Ask;
    const dry = (await ask(true)) as { grant: never; runs: string[]; calls_aborted: number; preview: string };
    expect(dry).toMatchObject({ runs: [expect.any(String)], calls_aborted: 1 });
    const revoke = (preview: string) => admin.revokeGrant({ params: { grant: dry.grant }, body: { reason, preview } });
    await expect(revoke('0123456789abcdef')).rejects.toMatchObject({ code: 'CORRAL_PREVIEW_STALE', status: 409 });
    expect(await ask(true)).toEqual(dry);
    expect(await revoke(dry.preview)).toMatchObject({ calls_aborted: 1, runs: dry.runs });
  });
});
