/** What a host is put together from. */
export { Supervisor, type SupervisorOptions, type Submitted } from './supervisor.ts';
export { Laboratory, type LaboratoryOptions } from './laboratory.ts';
export { Trials, type TrialDifference, type TrialOptions, type TrialResult, type TrialStep } from './trial.ts';
export { fork, type ForkPowers, type ForkRequest } from './fork.ts';
export { amend, read, resolutionOf, type Read } from './amend.ts';
export type { Approval } from './approvals.ts';
export type { Resolution } from './control.ts';
export { isCrank, segmentSeed, segmentsOf, type Segment } from './runs/segment.ts';
export { checkBundle, digestOf, versionsOf } from './admission.ts';
export type { Job } from './admission.ts';
export type { PolicySource, TenantOptions } from './tenants.ts';
export type { LoopOptions } from './loops.ts';
export { Lesson, type Profiles } from './profiles.ts';
export type { Observation, RunView } from './observe.ts';
export { realClock, realRandom } from './host/real.ts';
export { ProcessLauncher } from './host/launcher.ts';
export { findWalls, osWall, type Walls } from './host/walls.ts';
export { readImage } from './host/image.ts';
