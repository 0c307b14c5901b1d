/**
 * Programs that agents make at run time (`spawn.code`). A program is data of its run: it is in the run's record, sealed with it, and loaded from
 * there in place of a bundle. The host never compiles or evaluates it.
 */
import type { AgentManifest } from '@corral/protocol/model/manifest';
import type { RunRecord } from '@corral/protocol/model/run';
import { CorralError } from '@corral/protocol/errors';
import type { BundleText } from '../cells/wire.ts';
import { LoadedBundle } from './bundles.ts';

/** The code of a run that runs a program; undefined for a run of a bundle. */
export const programText = ({ program }: Pick<RunRecord, 'program'>): BundleText | undefined =>
  program && { digest: program.digest, source: program.source, isProgram: true };

/** The same with the one agent in it, whose manifest asks for nothing: a program has what it was handed. */
export function programOf({ program, agent, version, bundle }: RunRecord): LoadedBundle | undefined {
  if (program === undefined) return undefined;
  const manifest: AgentManifest = {
    name: agent,
    purpose: `a program that ${agent} made`,
    image: 'base',
    uses: {},
    spawns: [],
    input: null,
    output: program.output,
    ceilings: {},
    budget: {},
    on_unknown: 'wait',
  };
  return new LoadedBundle(program.digest, program.source, [{ version, bundle, manifest }]);
}

/** @throws CORRAL_RUN_STATE for a run of a program, which has no other version */
export function mustBeOfBundle({ id, program, parent }: Pick<RunRecord, 'id' | 'program' | 'parent'>): void {
  if (program === undefined) return;
  throw new CorralError(
    'CORRAL_RUN_STATE',
    `${id} runs a program that ${parent?.run ?? 'another run'} made, and not a version of an agent; it goes on with that program.`,
  );
}
