/** The script of a program that an agent made at run time. Nobody has read it, so it is first held to be one function and no more. */
import type ivm from 'isolated-vm';
import { PROGRAM_FILE, programMethod, programScript } from '@corral/guest/abi';
import { CachedScript } from './image.ts';

export class ProgramScript extends CachedScript {
  readonly #program: string;

  constructor(program: string) {
    const { text, columns } = programScript(program);
    super(text, PROGRAM_FILE, columns);
    this.#program = program;
  }

  /** @throws Error that says where the program is not one */
  override compile(isolate: ivm.Isolate): ivm.Script {
    const isFirst = !this.wasCompiled;
    try {
      const script = super.compile(isolate);
      if (isFirst) {
        const { text, columns } = programMethod(this.#program);
        isolate.compileScriptSync(text, { filename: PROGRAM_FILE, columnOffset: -columns });
      }
      return script;
    } catch (error) {
      throw new Error(placed(error instanceof Error ? error.message : String(error)), { cause: error });
    }
  }
}

/** V8's message, which ends with the position, in the words of who has to mend the program. */
const placed = (message: string): string =>
  message.replace(/ \[program\.js:(\d+):(\d+)\]$/, (_, line: string, column: string) => ` (line ${line}, column ${column} of the program)`);
