import { useQueryClient } from "@tanstack/react-query";
import { Button, PasswordInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { forget, useSignIn } from "../api/queries";
import { FaultNote } from "../parts/FaultNote";
import { Logo } from "../shell/Shell";
import css from "./SignIn.module.css";

/** A token becomes a cookie that scripts cannot read; the token itself is kept nowhere. */
export function SignIn() {
  const signIn = useSignIn();
  const [token, setToken] = useState("");
  const [at, go] = useLocation();
  const queries = useQueryClient();
  useEffect(() => {
    document.title = "Sign in · Fairlead";
    forget(queries);
  }, [queries]);
  return (
    <main className={css.page}>
      <form
        className={css.card}
        onSubmit={(e) => {
          e.preventDefault();
          signIn.mutate(token.trim(), { onSuccess: () => at === "/sign-in" && go("/") });
        }}
      >
        <Logo size={40} />
        <div>
          <h1 className={css.title}>Sign in to Fairlead</h1>
          <p className="soft">With a token of your own: every act here is recorded under your name.</p>
        </div>
        <PasswordInput
          label="Token"
          placeholder="ID.SECRET"
          value={token}
          onChange={(e) => setToken(e.currentTarget.value)}
          autoComplete="current-password"
          spellCheck={false}
          required
          autoFocus
          visibilityToggleButtonProps={{ "aria-label": "Show the token", tabIndex: 0 }}
        />
        {signIn.error && <FaultNote error={signIn.error} />}
        <Button type="submit" loading={signIn.isPending} disabled={token.trim() === ""} fullWidth>
          Sign in
        </Button>
        <p className="soft small">
          No token? An administrator makes one on a node: <code>fairlead token create NAME --role operator</code>
        </p>
      </form>
    </main>
  );
}
