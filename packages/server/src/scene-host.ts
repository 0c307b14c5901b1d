/** The composition root of the host of `corral demo`: a host with a scene, and with a visitor who signs in by a link. */
import type { Walls } from '@corral/supervisor';
import type { Principal } from '@corral/protocol/api/roles';
import { startHost, type HostOptions, type RunningHost } from './host.ts';
import { machineUser } from './people/machine-user.ts';
import { VISITOR, type ScenePort } from './scene.ts';

export interface SceneHost extends Pick<RunningHost, 'socket' | 'close'> {
  readonly url: string;
  readonly walls: Walls;
  readonly visitor: Principal;
}

/** The person who started the scene, as the host knows the command line. */
export const sceneOwner = (): string => `user:${machineUser()}`;

/** @throws what `startHost` throws */
export async function startSceneHost(
  options: Required<Pick<HostOptions, 'data' | 'config' | 'port' | 'env' | 'sources'>> & { readonly scene: ScenePort },
): Promise<SceneHost> {
  // Nobody but the visitor of this machine uses it, so one wall is enough to look at it. It keeps no log: the terminal has the link.
  const host = await startHost({ ...options, oneWall: true });
  const { url = '', walls, socket } = host;
  return { url, walls, socket, visitor: visitorOf(host), close: (within_ms) => host.close(within_ms) };
}

/** The token outlives the host, and so does the session that it stands behind. Its secret was given to nobody. */
function visitorOf({ door: { tokens, clock } }: RunningHost): Principal {
  const roles = ['admin'] as const;
  const { token } =
    tokens.list('*').find(({ name, revoked_at }) => name === VISITOR && revoked_at === null) ??
    tokens.make({ name: VISITOR, tenant: '*', roles, expires_at: null }, sceneOwner(), clock.now());
  return { id: `token:${VISITOR}`, tenant: '*', roles, token };
}
