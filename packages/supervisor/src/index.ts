/** What a host is put together from. */
export { Supervisor, type SupervisorOptions, type Submitted, type TenantOptions } from './supervisor.ts';
export type { Job } from './admission.ts';
export type { Observation, RunView } from './observe.ts';
export { realClock, realRandom } from './host/real.ts';
export { ProcessLauncher } from './host/launcher.ts';
export { findWalls, osWall, type Walls } from './host/walls.ts';
export { readImage } from './host/image.ts';
