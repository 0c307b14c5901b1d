/** The folder of a host's data and the addresses at which it answers. */
import { chmod, mkdir, stat } from 'node:fs/promises';
import { isIP, type AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { CorralError } from '@corral/protocol/errors';

/** Makes a new folder private to its owner. Access to the socket makes its user an admin, so nobody else may reach it. */
export async function privateFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { mode, uid } = await stat(folder);
    if ((mode & 0o077) !== 0 && uid === process.getuid?.()) await chmod(folder, 0o700);
  } catch (error) {
    throw new CorralError(
      'CORRAL_DATA_UNUSABLE',
      `${folder} cannot be made or kept private: ${error instanceof Error ? error.message : ''}.`,
      { cause: error },
    );
  }
}

export async function listenPrivately(app: FastifyInstance, socket: string): Promise<void> {
  const before = process.umask(0o177);
  try {
    await app.listen({ path: socket });
  } finally {
    process.umask(before);
  }
  await chmod(socket, 0o600);
}

export async function listen(app: FastifyInstance, address: string, port: number, tls: boolean): Promise<string> {
  try {
    await app.listen({ host: address, port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
      throw new CorralError('CORRAL_ADDRESS_TAKEN', `Another program listens on ${address}:${port}.`, { cause: error });
    throw error;
  }
  const { port: taken } = app.server.address() as AddressInfo;
  return `${tls ? 'https' : 'http'}://${isIP(address) === 6 ? `[${address}]` : address}:${taken}`;
}
