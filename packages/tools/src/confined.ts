/**
 * Confines paths to one folder: no `..`, no symbolic links, no devices, bounded sizes. The check is made on the opened file and not on
 * the path, so that a path which is swapped between check and use gains nothing.
 */
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, readlink, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { segments } from '@corral/policy/capability/predicate';
import { ToolError } from './define.ts';

export interface ListedEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'other';
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY = 0, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/** On Linux an open folder can be walked by its descriptor, which no renaming can redirect. */
const BY_DESCRIPTOR = process.platform === 'linux';

export class Confined {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** @param folder must exist. Links in its own path are resolved now, once. */
  static async at(folder: string): Promise<Confined> {
    return new Confined(await realpath(folder));
  }

  /** The first `max` bytes of a file, and its full size in bytes. @throws ToolError */
  async read(path: string, max: number): Promise<{ readonly data: Buffer; readonly size: number }> {
    const file = await this.#open(this.#inside(path), O_RDONLY | O_NONBLOCK, path);
    try {
      const info = await file.stat();
      if (!info.isFile()) throw new ToolError(`${path} is not a file.`);
      const data = Buffer.allocUnsafe(Math.min(info.size, max));
      let filled = 0;
      while (filled < data.length) {
        const { bytesRead } = await file.read(data, filled, data.length - filled, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return { data: data.subarray(0, filled), size: info.size };
    } finally {
      await file.close();
    }
  }

  /**
   * Names in a folder, sorted, so that the order is the same on every file system. Links are listed as `other`, since they cannot be
   * read. @throws ToolError
   */
  async list(path: string): Promise<ListedEntry[]> {
    const folder = await this.#open(this.#inside(path), O_RDONLY | O_DIRECTORY, path);
    try {
      const entries = await readdir(this.#pathOf(folder, this.#inside(path)), { withFileTypes: true });
      const listed = entries.map((entry): ListedEntry => ({
        name: entry.name,
        kind: entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : 'other',
      }));
      return listed.sort((a, b) => (a.name < b.name ? -1 : 1));
    } finally {
      await folder.close();
    }
  }

  /** Writes a whole file and replaces an existing one atomically; missing folders on the way are created. @throws ToolError */
  async write(path: string, data: Buffer): Promise<void> {
    const parts = this.#inside(path);
    const name = parts.pop();
    if (name === undefined) throw new ToolError('The path names no file.');
    const folder = await this.#makeFolder(parts, path);
    try {
      const at = this.#pathOf(folder, parts);
      const draft = join(at, `.${name}.${process.pid}.${Math.random().toString(36).slice(2)}.part`);
      const before = await lstat(join(at, name)).catch(() => undefined);
      const file = await open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        // A file that is replaced keeps its permissions.
        await file.chmod(before?.isFile() === true ? before.mode & 0o777 : 0o644);
        await file.writeFile(data);
        await file.sync();
        await rename(draft, join(at, name));
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      } finally {
        await file.close();
      }
    } catch (error) {
      throw told(error, path);
    } finally {
      await folder.close();
    }
  }

  #inside(path: string): string[] {
    const parts = segments(path);
    if (parts === undefined) throw new ToolError(`${path} leads out of the folder.`);
    return parts;
  }

  /** Opens a path, then checks that what was opened is at that path within the root. @throws ToolError */
  async #open(parts: readonly string[], flags: number, asked: string): Promise<FileHandle> {
    let handle: FileHandle;
    const path = join(this.#root, ...parts);
    try {
      handle = await open(path, flags | O_NOFOLLOW);
    } catch (error) {
      throw told(error, asked);
    }
    try {
      const real = BY_DESCRIPTOR ? await readlink(`/proc/self/fd/${handle.fd}`) : await realpath(path);
      // A link within the folder could lead out of the part that a capability is narrowed to (`under`), so no link is followed.
      if (real !== path) {
        const inside = real === this.#root || real.startsWith(this.#root.endsWith(sep) ? this.#root : this.#root + sep);
        throw new ToolError(inside ? `${asked} goes through a link, and links are not followed.` : `${asked} leads out of the folder.`);
      }
      return handle;
    } catch (error) {
      await handle.close();
      throw told(error, asked);
    }
  }

  async #makeFolder(parts: readonly string[], asked: string): Promise<FileHandle> {
    let folder = await this.#open([], O_RDONLY | O_DIRECTORY, asked);
    for (const [i, part] of parts.entries()) {
      const here = parts.slice(0, i + 1);
      try {
        await mkdir(join(this.#pathOf(folder, parts.slice(0, i)), part));
      } catch (error) {
        if ((error as { code?: string }).code !== 'EEXIST') {
          await folder.close();
          throw told(error, asked);
        }
      }
      await folder.close();
      folder = await this.#open(here, O_RDONLY | O_DIRECTORY, asked);
    }
    return folder;
  }

  #pathOf(folder: FileHandle, parts: readonly string[]): string {
    return BY_DESCRIPTOR ? `/proc/self/fd/${folder.fd}` : join(this.#root, ...parts);
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ELOOP: 'is a link, and links are not followed',
  ENOTDIR: 'is not a folder',
  EISDIR: 'is a folder',
  EACCES: 'may not be opened by the host',
  EPERM: 'may not be opened by the host',
  ENOSPC: 'did not fit on the disk',
  ENAMETOOLONG: 'is too long a name',
};

/** Turns an error of the file system into one that an agent may read: without paths of the host. */
function told(error: unknown, asked: string): ToolError {
  if (error instanceof ToolError) return error;
  const { code = '' } = error as { code?: string };
  return new ToolError(`${asked} ${WORDS[code] ?? 'cannot be used'}.`);
}
