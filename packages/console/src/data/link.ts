/**
 * The link that `corral demo` prints signs a browser in, once, and so does the address to which a host sends a browser back from an issuer. The code
 * is in the fragment, which a browser sends to nobody, and it leaves the address before anything else is done; the page exchanges it for a session
 * by POST. In its place may be the reason why a sign-in at an issuer failed.
 */
import { signal } from '@preact/signals';
import { recognise, Refusal, signIn } from './api.ts';

const LINK = /^#once=([\w-]{20,100})$/;
const FAILED = /^#sign-in=([a-z]{1,20})$/;
export const isLink = (hash: string): boolean => LINK.test(hash) || FAILED.test(hash);

/** Whether the code of the link that brought this page is good no longer. */
export const linkRefused = signal(false);

let code = LINK.exec(location.hash)?.[1];
/** Why a sign-in at an issuer failed, in the host's word for it. */
export const signInFailed = signal(FAILED.exec(location.hash)?.[1]);
if (isLink(location.hash)) history.replaceState(null, '', location.pathname + location.search);

/** Signs in by the link, if there is one, and finds out who is signed in. @throws Refusal if no host answers */
export async function enter(): Promise<void> {
  if (code !== undefined) {
    const token = code;
    try {
      await signIn(token);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 0) throw error;
      linkRefused.value = true;
    }
    code = undefined;
  }
  await recognise();
}
