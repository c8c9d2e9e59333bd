import { useEffect, useState } from "preact/hooks";

import { session, signInByKey, signInByLink } from "./api/session";
import { go, place } from "./router";
import { Button } from "./ui/Button";
import { Field } from "./ui/Field";
import { useTitle } from "./ui/title";

/**
 * Asks for a key, or takes the token of a one-time link.
 *
 * The token stands behind the `#`, which browsers send to no one, and leaves the address before it is used.
 */
export function SignIn() {
  useTitle("Sign in");
  const [key, setKey] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const why = session.value.kind === "none" ? session.value.why : "";
  const enter = async (attempt: () => Promise<string | null>) => {
    setBusy(true);
    const refused = await attempt();
    setBusy(false);
    setFault(refused);
    if (refused === null && place.peek().path[0] === "sign-in") go("/clusters", true);
  };
  useEffect(() => {
    const take = () => {
      const token = place.peek().path[0] === "sign-in" ? location.hash.slice(1) : "";
      if (token === "") return;
      history.replaceState(null, "", location.pathname);
      void enter(() => signInByLink(token));
    };
    take();
    // A link pasted into a tab that is here already loads no page.
    addEventListener("hashchange", take);
    return () => removeEventListener("hashchange", take);
  }, []);
  return (
    <main class="sign-in">
      <form
        class="card stack"
        onSubmit={(event) => {
          event.preventDefault();
          void enter(() => signInByKey(key.trim()));
        }}
      >
        <div class="row">
          <img src="/favicon.svg" alt="" width={28} height={28} />
          <h1>Sign in to Coterie</h1>
        </div>
        {why !== "" && fault === null && <p class="notice warn">{why}</p>}
        <Field label="API key" fault={fault} hint="Kept for this tab only, and sent to this server only.">
          {(wiring) => (
            <input
              {...wiring}
              type="password"
              autoComplete="off"
              spellcheck={false}
              placeholder="sk_…"
              required
              autoFocus
              value={key}
              onInput={(event) => setKey(event.currentTarget.value)}
            />
          )}
        </Field>
        <Button kind="primary" type="submit" disabled={busy || key.trim() === ""}>
          Sign in
        </Button>
        <p class="small muted">
          No key at hand? On the server's machine, <code>coterie key sign-in</code> prints a link that signs this
          browser in.
        </p>
      </form>
    </main>
  );
}
