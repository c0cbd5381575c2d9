// The frame around every view: header, navigation, what the server is doing, and what screen readers are told.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { gallery, serverProblem } from "../api/server.ts";
import { Announcer } from "../ui/announcer.tsx";
import { Loading } from "../ui/notice.tsx";
import { SignIn } from "../views/sign-in/sign-in.tsx";
import { maySee, VIEWS } from "../views/table.ts";
import { Header } from "./header.tsx";
import { NotAllowed } from "./not-allowed.tsx";
import { href, replace, route } from "./route.ts";
import { ServerState } from "./server-state.tsx";
import { UnknownGallery } from "./unknown-gallery.tsx";

export function App() {
  const view = VIEWS.find((one) => one.name === route.value.view) ?? VIEWS[0];
  const heading = useRef<HTMLElement>(null);
  const locked = serverProblem.value?.way === "sign-in";
  const title = locked ? "Sign in" : view.title;
  const news = VIEWS.reduce((sum, { unseen }) => sum + (unseen?.value ?? 0), 0);
  useEffect(() => {
    document.title = `${news > 0 ? `(${news}) ` : ""}${title} · partlens`;
  }, [title, news]);
  const allowed = maySee(view), first = VIEWS.find((one) => one.listed && maySee(one));
  useEffect(() => {
    // Who names no view starts at one that they may see.
    if (gallery.peek() && !allowed && first && /^(#\/?)?$/.test(location.hash)) replace(href(first.name));
  }, [allowed, first]);
  const shown = useRef(view.name);
  useLayoutEffect(() => {
    // After a change of view, keyboard and screen reader go on from its start.
    if (shown.current !== view.name) heading.current?.focus();
    shown.current = view.name;
  }, [view.name]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); heading.current?.focus(); }}>
        Skip to the content
      </a>
      <Header current={locked ? "" : view.within ?? view.name} />
      <ServerState />
      <main id="main" ref={heading} tabIndex={-1} aria-label={title}>
        {locked
          ? <SignIn />
          : !gallery.value
            ? serverProblem.value?.reason === "GALLERY_UNKNOWN" ? <UnknownGallery /> : <Loading text="Connecting to the server" />
            : allowed ? <view.View key={view.name} /> : <NotAllowed view={view} />}
      </main>
      <Announcer />
    </>
  );
}
