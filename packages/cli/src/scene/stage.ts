/** The scene as its host has it: what a visitor's acts mean to the world outside, and which jobs follow from them. */
import type { TenantId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Principal } from '@corral/protocol/api/roles';
import type { SceneAct, SceneView } from '@corral/protocol/api/scene';
import type { SceneJob, ScenePort } from '@corral/server/scene';
import type { OutsidePort } from './outside.ts';
import { CLERK, MISDEED_AGENTS, NEIGHBOUR, nextCommands, SHOP, TASK, TELLER, ZOO } from './setting.ts';

/** Submits what nobody in particular asked for, so that `@last` on the command line is the visitor's attack. */
const NOBODY = 'scene';

export class Stage implements ScenePort {
  readonly #outside: OutsidePort;
  readonly #folder: string;
  readonly #owner: string;
  #visitor: Principal | undefined;
  ready = false;

  /** @param owner the person who started the scene, as the command line is known to the host */
  constructor(outside: OutsidePort, folder: string, owner: string) {
    this.#outside = outside;
    this.#folder = folder;
    this.#owner = owner;
  }

  /** Lets a visitor with the code of the link in as this principal. */
  admit(visitor: Principal): void {
    this.#visitor = visitor;
  }

  async visitor(code: string): Promise<Principal | undefined> {
    return this.#visitor !== undefined && (await this.#outside.enter(code)) ? this.#visitor : undefined;
  }

  async view(): Promise<SceneView> {
    return { ...(await this.#outside.look()), ready: this.ready, commands: nextCommands(this.#folder) };
  }

  async act(act: SceneAct): Promise<readonly SceneJob[]> {
    switch (act.act) {
      case 'mail': {
        const mail = await this.#outside.write(act.text);
        if (act.guarded) return [jobOf(SHOP, CLERK, this.#owner, { task: TASK, mail })];
        await this.#outside.begin(mail);
        return [];
      }
      case 'misdeed':
        return [jobOf(ZOO, NEIGHBOUR, NOBODY), jobOf(ZOO, MISDEED_AGENTS[act.misdeed], NOBODY)];
      case 'tell':
        return [jobOf(SHOP, TELLER, NOBODY)];
      case 'kill-host':
        await this.#outside.kill();
        return [];
    }
  }
}

const jobOf = (tenant: string, agent: string, by: string, input: Json = {}): SceneJob => ({
  job: { tenant: tenant as TenantId, agent, input },
  by,
});
