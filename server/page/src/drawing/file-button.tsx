// A button that opens the browser's dialog for choosing files.
import { useRef } from "preact/hooks";
import { Button } from "../ui/button.tsx";

// Formats that servers read; some systems offer HEIC only by its ending.
const PICTURES = "image/*,.heic,.heif,.tif,.tiff,.jp2";

interface Props {
  readonly label: string;
  readonly onFiles: (files: readonly File[]) => void;
  readonly kind?: "primary" | "usual" | "plain";
  readonly several?: boolean;
  readonly disabled?: boolean;
}

export function FileButton({ label, onFiles, kind = "usual", several = false, disabled = false }: Props) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button kind={kind} disabled={disabled} onClick={() => input.current?.click()}>{label}</Button>
      <input
        ref={input} type="file" hidden accept={PICTURES} multiple={several}
        onChange={(event) => {
          onFiles([...(event.currentTarget.files ?? [])]);
          // The same file can be chosen again.
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}
