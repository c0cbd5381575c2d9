// Copies an id. Browsers allow it only on secure connections; elsewhere the id is shown, selected.
import { useEffect, useState } from "preact/hooks";
import { announce } from "./announcer.tsx";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";

const SAID_MS = 2000;

export function CopyId({ id }: { readonly id: string }) {
  const [state, setState] = useState<"ready" | "copied" | "shown">("ready");
  useEffect(() => {
    if (state !== "copied") return;
    const timer = setTimeout(() => setState("ready"), SAID_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(id);
      setState("copied");
      announce("Id copied");
    } catch {
      setState("shown");
    }
  };
  return (
    <>
      <Button kind="plain" onClick={() => void copy()}>{state === "copied" ? "Copied ✓" : "Copy id"}</Button>
      {state === "shown" && (
        <Dialog title="Copy this id" onClose={() => setState("ready")}>
          <input readOnly value={id} aria-label="Id" size={40} onFocus={(event) => event.currentTarget.select()} />
        </Dialog>
      )}
    </>
  );
}
