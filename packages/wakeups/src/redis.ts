/** The one place that knows ioredis: how a connection for hints is made, and what its failures mean. */
import { Redis, type RedisOptions } from 'ioredis';
import { CorralError } from '@corral/protocol/errors';
import { WAKE_UPS } from '@corral/protocol/limits';
import { redisAddress } from '@corral/protocol/redis-address';

/** How long the key stays that shows that keys can be written. */
const LOOKED_MS = 60_000;
/** Characters of what Redis says that are told. */
const SAID_CHARS = 300;

/** Where a Redis is, and who asks there. */
export class Address {
  readonly #url: URL;

  /** @throws CORRAL_CONFIG_INVALID for an invalid address; the message leaves it out, since it may hold a password */
  constructor(text: string) {
    const url = redisAddress(text);
    if (url === undefined)
      throw new CorralError(
        'CORRAL_CONFIG_INVALID',
        'The address of the Redis for wake-ups is none: it must look like redis://host:6379 or rediss://user:password@host:6379/0.',
      );
    this.#url = url;
  }

  /** Without user and password. */
  get said(): string {
    return `${this.#url.protocol}//${this.#url.host}`;
  }

  get options(): RedisOptions {
    const { hostname, port, username, password, pathname, protocol } = this.#url;
    return {
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port === '' ? 6379 : Number(port),
      db: Number(pathname.slice(1)),
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' ? { tls: {} } : {}),
    };
  }

  /** A text from this address, which anybody may have sent: without the password, cut to a line of a log or a terminal. */
  clean(text: string): string {
    const { password = '' } = this.options;
    const clean = (password === '' ? text : text.replaceAll(password, '***')).replaceAll(/\p{C}+/gu, ' ');
    return clean.length > SAID_CHARS ? `${clean.slice(0, SAID_CHARS)}…` : clean;
  }
}

/** How a connection behaves that gives hints: what cannot leave at once is not kept. */
const GIVES = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  commandTimeout: WAKE_UPS.answer_ms.default,
};

const settings = (address: Address, gives: boolean) => ({
  ...address.options,
  ...(gives ? GIVES : {}),
  maxRetriesPerRequest: null,
  replyMapping: 'legacy' as const,
  socketTimeout: WAKE_UPS.silence_ms.default,
  connectTimeout: WAKE_UPS.answer_ms.default,
  retryStrategy: (times: number) => Math.min(times * 100, WAKE_UPS.reconnect_ms.default),
});

/** A connection; one that gives hints fails fast, and one that takes them waits for as long as it must. */
export const connect = (address: Address, gives: boolean): Redis => new Redis(settings(address, gives));

/** Redis begins a refusal with a word in capitals, such as WRONGPASS, NOPERM, OOM or MISCONF. */
const REFUSAL = /^[A-Z]{2,} /;

/** The error that people see for a failure. The command is left out, since it may hold the password. */
export function troubleOf(address: Address, failure: unknown): CorralError {
  const said = address.clean(failure instanceof Error ? failure.message : String(failure)).replace(/\.?$/, '.');
  const message = said.startsWith('NOAUTH ') ? 'NOAUTH it asks for a password, and none was given.' : said;
  if (REFUSAL.test(message) && !message.startsWith('LOADING '))
    return new CorralError('CORRAL_REDIS_REFUSED', `Redis at ${address.said} refuses hints: ${message}`);
  return new CorralError('CORRAL_REDIS_UNREACHABLE', `Redis at ${address.said} cannot be reached: ${message}`);
}

/** Prefix of all keys unless the configuration names another. */
export const PREFIX = 'corral';

/** Writes a key among those of the hints. @returns what else speaks against this Redis; rejects where the key is refused */
export async function look(redis: Redis, address: Address, prefix: string): Promise<CorralError | undefined> {
  await redis.set(`${prefix}:looked`, '1', 'PX', LOOKED_MS);
  return evictionOf(address, String(await redis.info('memory').catch(() => '')));
}

/** Connects once and looks whether Redis takes hints. @returns what speaks against it */
export async function tried(address: Address, prefix = PREFIX): Promise<CorralError | undefined> {
  let failure: unknown = new Error('no connection was made in time');
  const redis = new Redis({ ...settings(address, true), enableOfflineQueue: true, lazyConnect: true, retryStrategy: () => null });
  redis.on('error', (error) => (failure = error));
  try {
    await redis.connect().catch(() => Promise.reject(failure));
    return await look(redis, address, prefix);
  } catch (error) {
    return troubleOf(address, error);
  } finally {
    redis.disconnect();
  }
}

/** Whether Redis throws away keys when its memory is full, by what it says of itself; undefined where it may not say. */
export function evictionOf(address: Address, info: string): CorralError | undefined {
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy === undefined || policy === 'noeviction') return undefined;
  return new CorralError(
    'CORRAL_REDIS_EVICTS',
    `Redis at ${address.said} has the maxmemory-policy ${address.clean(policy)}, and may throw hints away.`,
  );
}
