// In place of a view that the caller's token does not allow.
import { gallery } from "../api/server.ts";
import { signOut } from "../api/session.ts";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/notice.tsx";
import { maySee, VIEWS, type ViewRow } from "../views/table.ts";
import { href } from "./route.ts";

export function NotAllowed({ view }: { readonly view: ViewRow }) {
  const allowed = VIEWS.filter((one) => one.listed && maySee(one));
  const held = gallery.value?.caller?.scopes.map((scope) => `“${scope}”`).join(" and ");
  return (
    <>
      <h1 class="unseen">{view.title}</h1>
      <Empty title="Your token does not allow this">
        <p>
          “{view.title}” needs a token with the scope {view.scopes.map((scope) => `“${scope}”`).join(" or ")}.{" "}
          Yours has {held ? `only ${held}` : "none"}. Ask the operator of this server for another.
        </p>
        <p class="row centred">
          {allowed.map(({ name, title }) => <a key={name} class="button" href={href(name)}>{title}</a>)}
          <Button kind="primary" onClick={signOut}>Use another token</Button>
        </p>
      </Empty>
    </>
  );
}
