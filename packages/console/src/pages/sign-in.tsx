/** Signing in with a token. The host answers with a cookie that no script can read, and this page forgets the token. */
import { useState } from 'preact/hooks';
import { asRefusal, signIn, wasSignedIn, type Refusal } from '../data/api.ts';
import { linkRefused } from '../data/link.ts';
import { Problem } from '../ui/parts.tsx';

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
            This link has signed a browser in before, and does so once. In the terminal where it was printed, Enter prints another.
          </p>
        )}
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
