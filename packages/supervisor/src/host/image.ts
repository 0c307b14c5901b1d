/** The sandbox image of the cells. */
import { accessSync, readFileSync } from 'node:fs';
import { CorralError } from '@corral/protocol/errors';
import { CELL_MAIN, IMAGE_PATH } from './walls.ts';

/**
 * @returns the digest of the image
 * @throws CORRAL_IMAGE_MISSING if it or the cell's entry has not been built
 */
export function readImage(): string {
  try {
    accessSync(CELL_MAIN);
    return (JSON.parse(readFileSync(IMAGE_PATH, 'utf8')) as { digest: string }).digest;
  } catch (error) {
    throw new CorralError('CORRAL_IMAGE_MISSING', 'The cell and its sandbox image have not been built.', { cause: error });
  }
}
