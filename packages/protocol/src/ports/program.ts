/** Programs of others that the host starts, such as an MCP server on this machine. */

export interface ProgramSpec {
  /** An absolute path, or a name that is looked up in the host's `PATH`. */
  readonly command: string;
  readonly args: readonly string[];
  /** All that it is given of an environment, besides `PATH`, `HOME` and the locale. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute paths that it may read, or also write to, besides the system's own programs and libraries. */
  readonly folders: readonly { readonly path: string; readonly write: boolean }[];
  /** Absolute; one of `folders`, or below one. Undefined: `/`. */
  readonly cwd: string | undefined;
  /** False: it runs as the host itself, with all that the host may do. */
  readonly confined: boolean;
  /** A port on the loopback interface of a confined program, whose connections the host takes. It reaches nothing else. */
  readonly port?: ProgramPort | undefined;
}

export interface ProgramPort {
  readonly number: number;
  readonly take: (connection: NodeJS.ReadWriteStream) => void;
}

export interface Program {
  readonly pid: number | undefined;
  readonly stdin: NodeJS.WritableStream;
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream;
  /** Ends it and everything it started. */
  kill(): void;
  /** Calls back once when it has ended, however that came: `it ended with exit code 1`. */
  onEnd(listener: (why: string) => void): void;
}

/** @throws CORRAL_WALLS_MISSING for a confined program where this machine has no wall for it */
export type StartProgram = (spec: ProgramSpec) => Program;
