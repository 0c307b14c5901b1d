/** Which host or folder a command is about: flags before the environment, an address before a folder. */
import { afterEach, expect, test, vi } from 'vitest';
import { connect, dataFolder, folderAlone, hostOrFolder, isElsewhere, type HostFlags } from './connect.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

const named = (url: string, data: string) => {
  vi.stubEnv('CORRAL_URL', url);
  vi.stubEnv('CORRAL_DATA', data);
};
const HOST = 'http://127.0.0.1:9';

// Bug ps-elsewhere: with both variables set, or an empty one, `ps` and others read a folder while the rest of the commands asked the host.
test.each<[string, string, HostFlags, string]>([
  [HOST, '/nowhere', {}, 'host'],
  [HOST, '', {}, 'host'],
  ['', '/nowhere', {}, '/nowhere'],
  [HOST, '', { data: '/nowhere' }, '/nowhere'],
  ['', '/nowhere', { url: HOST }, 'host'],
  [HOST, '/nowhere', { url: HOST, data: '/nowhere' }, 'host'],
])('$CORRAL_URL=%s $CORRAL_DATA=%s %o is %s', async (url, data, flags, meant) => {
  named(url, data);
  const place = await hostOrFolder(flags);
  expect('client' in place ? 'host' : place.data).toBe(meant);
  expect(isElsewhere(flags)).toBe(meant === 'host');
  expect(await folderAlone(flags)).toBe(meant === 'host' ? undefined : meant);
});

test('a folder that nobody named is the default one, and no work is done in it without a host', async () => {
  named('', '');
  expect(dataFolder({})).toBe('.corral');
  expect(await folderAlone({})).toBeUndefined();
});

test('an address without a scheme is refused in a sentence that says where it stands', () => {
  named('localhost:7070', '');
  expect(() => connect({})).toThrow('$CORRAL_URL is an address such as https://corral.example:7070, not "localhost:7070".');
  expect(() => connect({ url: '127.0.0.1:7070' })).toThrow(/^--url is an address/);
});
