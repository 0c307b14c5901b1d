/**
 * Signing in at an issuer, or with a token. The host answers with a cookie that no script can read, and this page forgets the token. The password of a
 * person is the issuer's to ask for, on its own page.
 */
import { useState } from 'preact/hooks';
import { asRefusal, hasScene, offers, signIn, wasSignedIn, type Refusal } from '../data/api.ts';
import { linkRefused, signInFailed } from '../data/link.ts';
import { Problem } from '../ui/parts.tsx';
import { Text } from '../ui/text.tsx';

/** By the host's word. */
const FAILED: Readonly<Record<string, string>> = {
  declined: 'The sign-in was broken off at the issuer. Try again, or use a token.',
  again: 'This sign-in was not begun in this browser, has been used, or took too long. Begin again.',
  refused: 'The issuer says who you are, and that gives you no access here: an admin of this host finds the reason in its log.',
  unreachable: 'The issuer does not answer. Try again later, or use a token.',
};

export function SignIn() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Refusal>();
  const begin = async (form: HTMLFormElement) => {
    const given = new FormData(form).get('token');
    const token = typeof given === 'string' ? given.trim() : '';
    if (token === '') return;
    setBusy(true);
    setError(undefined);
    try {
      await signIn(token);
      form.reset();
    } catch (failure) {
      setError(asRefusal(failure));
      setBusy(false);
    }
  };
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void begin(event.currentTarget);
        }}
      >
        <h1>Corral</h1>
        {wasSignedIn.value && error === undefined && <p role="status">Your session has ended. Sign in again to go on where you were.</p>}
        {linkRefused.value && error === undefined && (
          <p role="status">
            {hasScene.value
              ? 'This link has signed a browser in before, and does so once. In the terminal where it was printed, Enter prints another.'
              : FAILED['again']}
          </p>
        )}
        {signInFailed.value !== undefined && error === undefined && <p role="alert">{FAILED[signInFailed.value] ?? FAILED['again']}</p>}
        <Offers />
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus spellcheck={false} />
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
        {error !== undefined && <Problem of={error} />}
        <p class="dim">
          On the machine of the host, this makes one:
          <br />
          <code>corral token create NAME --role operator --tenant '*'</code>
        </p>
      </form>
    </main>
  );
}

/** Links to issuers, which come back to the view that was asked for. */
function Offers() {
  const back = encodeURIComponent(location.pathname + location.search);
  return (
    <>
      {offers.value.map(({ name, at }) => (
        <a class="primary" key={at} href={`${at}?to=${back}`}>
          Sign in with <Text of={name} />
        </a>
      ))}
    </>
  );
}
