/** The sandbox image as it was built, for what makes a session of its own. */
import { readFileSync } from 'node:fs';
import type { ImageData } from '@corral/cell/image';
import { IMAGE_PATH } from '@corral/supervisor/host/walls';

export const imageData = (): ImageData => JSON.parse(readFileSync(IMAGE_PATH, 'utf8')) as ImageData;
