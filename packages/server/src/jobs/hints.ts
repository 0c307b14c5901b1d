/** How hints that a run may have something to do leave this process, where its configuration or its environment names a Redis. */
import type { FastifyBaseLogger } from 'fastify';
import type { Degraded } from '@corral/protocol/api/schemas';
import { CorralError } from '@corral/protocol/errors';
import type { Clock, WakeUps, WakeUpTrouble } from '@corral/protocol/ports/machine';
import type { LoadedConfig } from '../config/load.ts';

export const REDIS_ENV = 'CORRAL_REDIS_URL';

export interface Hints {
  /** Undefined: they stay in this process. */
  readonly wakeUps: WakeUps | undefined;
  /** Why some of them do not arrive. */
  readonly trouble: () => WakeUpTrouble | undefined;
}

/** The address with its password, which is handed to the connection alone; undefined where nobody names one. @throws CORRAL_SECRET_MISSING */
export async function redisOf(
  { config, vault }: LoadedConfig,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  const { wakeups } = config;
  if (wakeups === undefined) return env[REDIS_ENV] === '' ? undefined : env[REDIS_ENV];
  if (wakeups.password === undefined) return wakeups.redis;
  const url = new URL(wakeups.redis);
  url.password = encodeURIComponent(await vault.read(wakeups.password));
  return url.href;
}

/**
 * Loads what talks to Redis only where there is one. A Redis that is away keeps no host from starting.
 * @throws CORRAL_CONFIG_INVALID for an address in the environment that is none
 */
export async function hintsOf(
  loaded: LoadedConfig,
  env: Readonly<Record<string, string | undefined>>,
  { clock, log }: { readonly clock: Clock; readonly log: FastifyBaseLogger | undefined },
): Promise<Hints> {
  const told = ({ error: { code, message, hint } }: WakeUpTrouble) => log?.warn({ code }, `${message} ${hint}`);
  let redis: string | undefined;
  try {
    redis = await redisOf(loaded, env);
  } catch (error) {
    if (!(error instanceof CorralError)) throw error;
    const trouble = { error, since: clock.now() };
    told(trouble);
    return { wakeUps: undefined, trouble: () => trouble };
  }
  if (redis === undefined) return { wakeUps: undefined, trouble: () => undefined };
  const { BullWakeUps } = await import('@corral/wakeups/bullmq');
  const wakeUps = new BullWakeUps({
    redis,
    clock,
    ...(loaded.config.wakeups === undefined ? {} : { prefix: loaded.config.wakeups.prefix }),
    onTrouble: (trouble) => (trouble === undefined ? log?.warn('hints go through Redis again') : told(trouble)),
  });
  return { wakeUps, trouble: () => wakeUps.trouble };
}

/** Looks once whether the Redis that is named takes hints. @returns what speaks against it; undefined where none is named */
export async function lookAtRedis(
  loaded: LoadedConfig,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly at: string; readonly error: CorralError | undefined } | undefined> {
  const redis = await redisOf(loaded, env);
  if (redis === undefined) return undefined;
  const { Address, tried } = await import('@corral/wakeups/redis');
  const address = new Address(redis);
  return { at: address.said, error: await tried(address, loaded.config.wakeups?.prefix) };
}

/**
 * Parts that are impaired although work is taken. Everybody may ask, so the log alone says where that Redis is, and what it or a secret
 * is called.
 */
export function degraded({ trouble }: Hints): Degraded[] {
  const found = trouble();
  if (found === undefined) return [];
  const { code, hint } = found.error;
  return [{ what: 'wakeups', code, detail: `The log of the host says why. ${hint}`, since: found.since }];
}
