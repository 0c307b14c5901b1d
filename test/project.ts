/** Folders as those who use Corral have them. */
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = fileURLToPath(new URL('../node_modules', import.meta.url));

/** Lets files of a folder import the packages of this repository, as if they were installed there. */
export const linkPackages = (folder: string): Promise<void> => symlink(PACKAGES, join(folder, 'node_modules'));
