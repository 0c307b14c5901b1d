/**
 * The host of the scene, a process of its own, so that a visitor can have it killed. The process that started it tells it when to stop; it goes,
 * too, when that process is gone.
 */
import { createClient } from '@corral/protocol/api/client';
import { transportTo } from '@corral/client/node';
import { sceneOwner, startSceneHost } from '@corral/server/scene-host';
import { fixedSource } from '@corral/tools/sources';
import { report } from '../failure.ts';
import { wallsLine } from '../host.ts';
import { reachOutside } from './outside.ts';
import type { HostSaid, HostSettings } from './process.ts';
import { DEPLOYED, fileOf } from './setting.ts';
import { Stage } from './stage.ts';
import { sceneTools } from './tools.ts';

/** How long calls under way may take at the end of the scene. */
const DRAIN_MS = 500;

/** Deploys what a host before this one has not deployed. */
async function deploy(socket: string): Promise<void> {
  // The bundler takes a moment to load, which a visitor need not wait for.
  const { bundleAgent } = await import('../bundle.ts');
  const admin = createClient(transportTo({ socket }));
  const known = new Set<string>((await admin.listAgents({ query: { limit: 100 } })).items.map(({ agent }) => agent));
  await Promise.all(
    DEPLOYED.filter(({ agent }) => !known.has(agent)).map(async ({ tenant, agent }) => {
      const { source, describing } = await bundleAgent(fileOf(agent));
      await admin.deployAgent({ body: { source, describing, tenant } });
    }),
  );
}

async function main(): Promise<void> {
  const { data, config, port, outside: at } = JSON.parse(process.env['CORRAL_SCENE'] ?? '{}') as HostSettings;
  const outside = reachOutside(at);
  const stage = new Stage(outside, data, sceneOwner());
  const sources = [() => Promise.resolve(fixedSource(sceneTools(outside)))];
  const host = await startSceneHost({ data, config, port, env: process.env, sources, scene: stage });
  stage.admit(host.visitor);
  let isEnding = false;
  const close = () => {
    isEnding = true;
    void host.close(DRAIN_MS).finally(() => process.exit());
  };
  process.on('message', (message) => (message === 'stop' ? close() : undefined));
  process.on('disconnect', close);
  process.send?.({ url: host.url, walls: wallsLine(host.walls) } satisfies HostSaid);
  try {
    await deploy(host.socket);
    stage.ready = true;
  } catch (error) {
    // A host that stops takes nothing more.
    if (!isEnding) throw error;
  }
}

main().catch((error: unknown) => process.exit(report(error, false)));
