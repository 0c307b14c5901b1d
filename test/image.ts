/** The sandbox image as it was built, for what makes sessions itself. */
import { readFileSync } from 'node:fs';
import { SandboxImage, type ImageData } from '@corral/cell/image';
import { IMAGE_PATH } from '@corral/supervisor/host/walls';

export const builtImage = (): SandboxImage => new SandboxImage(JSON.parse(readFileSync(IMAGE_PATH, 'utf8')) as ImageData);
