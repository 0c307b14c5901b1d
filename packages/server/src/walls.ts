/** The walls of a host: which are required of this machine, and when one wall is not enough. */
import { availableParallelism } from 'node:os';
import { CorralError } from '@corral/protocol/errors';
import { MACHINE } from '@corral/protocol/limits';
import { CellGroups, findGroups, findWalls, LAYERS, layersOf, osWall, type FoundGroups, type Walls } from '@corral/supervisor';
import type { Config } from './config/schema.ts';

export interface WallOptions {
  /** Walls of this machine; left out: those that are found. */
  readonly walls?: Walls | undefined;
  /** Names of layers without which the host does not start. */
  readonly requireWalls?: readonly string[] | undefined;
  /** Start although only the isolate stands between agents and this machine. */
  readonly oneWall?: boolean | undefined;
  readonly port?: number | undefined;
  readonly address?: string | undefined;
}

export interface FoundWalls {
  readonly walls: Walls;
  /** The control groups of the host; undefined where it can make none. @param cell_memory_mib maximum memory of a cell */
  readonly groups: (cell_memory_mib?: number) => CellGroups | undefined;
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);
export const isLocal = (address: string): boolean => LOOPBACK.has(address);

/** Finds the walls of this machine. @throws CORRAL_WALLS_MISSING, CORRAL_USAGE */
export function wallsOf({ walls = findWalls(), requireWalls = [] }: WallOptions): FoundWalls {
  const found = findGroups();
  demand(requireWalls, walls, found);
  const cores = availableParallelism();
  return {
    walls,
    groups: (cell_memory_mib = MACHINE.cell_memory_mib.default) => CellGroups.at(found, { cell_memory_mib, cores }),
  };
}

function demand(required: readonly string[], walls: Walls, found: FoundGroups): void {
  const unknown = required.filter((name) => !(LAYERS as readonly string[]).includes(name));
  if (unknown.length > 0)
    throw new CorralError('CORRAL_USAGE', `There is no wall called ${unknown.join(', ')}. The walls are ${LAYERS.join(', ')}.`);
  const missing = layersOf(walls, found).filter(({ name, state }) => required.includes(name) && state !== 'on');
  if (missing.length === 0) return;
  const reasons = missing.map(({ name, state, says }) => `${name} is ${state} (${says})`);
  throw new CorralError('CORRAL_WALLS_MISSING', `This host is to start with walls that this machine does not have: ${reasons.join('; ')}.`);
}

/** Refuses a host that several parties use and that has one wall. @throws CORRAL_ONE_WALL */
export function mayStand(walls: Walls, { oneWall = false, port, address }: WallOptions, { tenants }: Config): void {
  if (oneWall || osWall(walls) !== undefined) return;
  const others = Object.keys(tenants).length;
  const beyond = port !== undefined && address !== undefined && !isLocal(address);
  if (others < 2 && !beyond) return;
  const why = others > 1 ? `the configuration has ${others} tenants` : `it listens on ${address}`;
  throw new CorralError('CORRAL_ONE_WALL', `Only the isolate stands between an agent and this machine, and ${why}.`);
}
