// One standing query: what it is, and what can be done with it.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import type { StandingQuery } from "../../gen/partlens/v1/standing_query_service_pb.ts";
import { Button } from "../../ui/button.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { scoreText } from "../../ui/numbers.ts";
import { remove, update } from "./standing-queries.ts";

export function QueryRow({ query }: { readonly query: StandingQuery }) {
  const [open, setOpen] = useState<"" | "edit" | "delete">("");
  const { id, name, threshold, paused, createdAt } = query, called = name || "Unnamed";
  return (
    <li class={paused ? "sheet stack paused" : "sheet stack"}>
      <div>
        <h2><bdi>{called}</bdi>{paused && <span class="tag">Paused</span>}</h2>
        <p class="quiet">
          Score at least <span class="number">{scoreText(threshold)}</span>
          {createdAt && `, since ${timestampDate(createdAt).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}`}
        </p>
      </div>
      <div class="row">
        <Button label={`${paused ? "Resume" : "Pause"} ${called}`} onClick={() => void update(id, { paused: !paused })}>{paused ? "Resume" : "Pause"}</Button>
        <Button label={`Change ${called}`} onClick={() => setOpen("edit")}>Change</Button>
        <Button kind="danger" label={`Delete ${called}`} onClick={() => setOpen("delete")}>Delete</Button>
      </div>
      {open === "edit" && <Edit query={query} onClose={() => setOpen("")} />}
      {open === "delete" && (
        <Confirm
          title={`Delete “${called}”?`} action="Delete" onClose={() => setOpen("")}
          onConfirm={() => { setOpen(""); void remove(id); }}
        >
          New images are no longer compared with it, and its matches leave the list. This cannot be undone; to stop it for a while, pause it.
        </Confirm>
      )}
    </li>
  );
}

function Edit({ query, onClose }: { readonly query: StandingQuery; readonly onClose: () => void }) {
  const [name, setName] = useState(query.name);
  const [threshold, setThreshold] = useState(String(query.threshold));
  return (
    <Dialog title="Change the standing query" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          onClose();
          void update(query.id, { name: name.trim(), threshold: Number(threshold) });
        }}
      >
        <label class="field"><span>Name</span><input required maxLength={256} value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
        <label class="field">
          <span>Lowest score</span>
          <input type="number" step="any" required value={threshold} onInput={(event) => setThreshold(event.currentTarget.value)} />
        </label>
        <p class="row"><Button kind="primary" type="submit">Save</Button><Button onClick={onClose}>Cancel</Button></p>
      </form>
    </Dialog>
  );
}
