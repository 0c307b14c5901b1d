/** The scene of `corral demo`. A host without one has none of these routes. */
import type { RunId } from '@corral/protocol/ids';
import type { ServerContext } from '../context.ts';
import type { ScenePort } from '../../scene.ts';
import type { Handlers } from './handler.ts';

export function sceneRoutes(scene: ScenePort, { submissions }: ServerContext): Handlers<'showScene' | 'actInScene'> {
  return {
    showScene: async () => scene.view(),
    async actInScene({ body }) {
      const runs: RunId[] = [];
      for (const { job, by } of await scene.act(body)) runs.push((await submissions.submit(job, by)).run);
      return { runs };
    },
  };
}
