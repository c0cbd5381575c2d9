// Pictures on their way, and those that were refused.
import { dismiss, uploads } from "../query/uploads.ts";
import { Button } from "../ui/button.tsx";

export function UploadList() {
  if (uploads.value.length === 0) return null;
  return (
    <ul class="uploads stack" aria-label="Uploads">
      {uploads.value.map(({ number, name, problem }) => (
        <li key={number} class={problem ? "row problem" : "row"}>
          <span class="grow">
            <strong class="cut">{name || "Pasted picture"}</strong>
            {problem ? <span> {problem.title}. {problem.text}</span> : <progress aria-label={`Sending ${name}`} />}
          </span>
          <Button kind="plain" label={problem ? `Dismiss ${name}` : `Stop sending ${name}`} onClick={() => dismiss(number)}>✕</Button>
        </li>
      ))}
    </ul>
  );
}
