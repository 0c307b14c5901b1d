/** The inbox and the bank of the scene, and the clerk without Corral, in the process that starts the host. */
import type { Booked, OutsidePort, OutsideView } from './outside.ts';
import { isSame } from './outside.ts';

/** The address from which a visitor's mail comes. The bank pays to it, where the mail names no account. */
const SENDER = 'visitor@elsewhere.example';
/** How long the answer to the request has to get out before its host is killed. */
const ANSWER_MS = 50;

/** Runs the clerk on a mail, as a program that gives its model the keys. @param say takes the words of the model */
export type Bare = (mail: number, world: Pick<OutsidePort, 'read' | 'pay'>, say: (words: string) => void) => Promise<void>;

export interface WorldParts {
  readonly model: OutsideView['model'];
  readonly bare: Bare;
  /** Sends SIGKILL to the host. */
  readonly kill: () => void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class World implements OutsidePort {
  readonly #parts: WorldParts;
  readonly #mails: { readonly mail: number; readonly text: string }[] = [];
  readonly #booked: Booked[] = [];
  readonly host: Mutable<OutsideView['host']> = { starts: 0, pid: 0, killed_at: null, up_at: 0 };
  #bare: Mutable<NonNullable<OutsideView['bare']>> | null = null;
  #code: string | undefined;

  constructor(parts: WorldParts) {
    this.#parts = parts;
  }

  /** Makes this the code of the link; an older one is good no longer. */
  offer(code: string): void {
    this.#code = code;
  }

  async write(text: string): Promise<number> {
    const mail = this.#mails.length + 1;
    this.#mails.push({ mail, text: `From: ${SENDER}\n\n${text}` });
    return mail;
  }

  async read(wanted: number): Promise<string | null> {
    return this.#mails.find(({ mail }) => mail === wanted)?.text ?? null;
  }

  async pay({ run, to, amount, reference }: Booked): Promise<number> {
    return this.#booked.push({ run, to, amount, reference });
  }

  async begin(mail: number): Promise<void> {
    const bare = { mail, said: '', ended: false, error: null as string | null };
    this.#bare = bare;
    const over = (error: string | null) => {
      bare.ended = true;
      bare.error = error;
    };
    void this.#parts
      .bare(mail, this, (words) => (bare.said += words))
      .then(
        () => over(null),
        (error: unknown) => over(error instanceof Error ? error.message : String(error)),
      );
  }

  async enter(code: string): Promise<boolean> {
    const good = this.#code !== undefined && isSame(this.#code, code);
    if (good) this.#code = undefined;
    return good;
  }

  async kill(): Promise<void> {
    setTimeout(() => {
      this.host.killed_at = Date.now();
      this.#parts.kill();
    }, ANSWER_MS);
  }

  async look(): Promise<OutsideView> {
    return { model: this.#parts.model, mails: this.#mails, payments: this.#booked, bare: this.#bare, host: this.host };
  }
}
