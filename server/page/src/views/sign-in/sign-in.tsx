// Asks for a token where the server needs one, or another one where it does not allow enough.
import { useState } from "preact/hooks";
import { serverProblem } from "../../api/server.ts";
import { signIn, token } from "../../api/session.ts";
import { Button } from "../../ui/button.tsx";

export function SignIn() {
  const [given, setGiven] = useState("");
  const problem = serverProblem.value;
  const refused = token.value !== "";
  return (
    <form
      class="sheet narrow stack"
      onSubmit={(event) => {
        event.preventDefault();
        signIn(given);
      }}
    >
      <h1>Sign in</h1>
      <p>
        This server is locked. Paste the token that its operator gave you. It stays in this tab of the browser, and is
        forgotten when you close it.
      </p>
      <label class="field">
        <span>Token</span>
        <input
          type="password" autocomplete="off" spellcheck={false} autofocus required value={given}
          aria-invalid={refused} aria-describedby={refused ? "sign-in-problem" : undefined}
          onInput={(event) => setGiven(event.currentTarget.value)}
        />
      </label>
      {refused && problem && <p id="sign-in-problem" class="problem" role="alert">{problem.text}</p>}
      <p class="row"><Button kind="primary" type="submit">Sign in</Button></p>
      <p class="quiet">Operators create tokens with <code>partlens token create</code>.</p>
    </form>
  );
}
