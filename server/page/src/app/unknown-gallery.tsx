// In place of a view, where the address names a gallery that the server does not have or the token does not allow.
import { galleries, show } from "../api/galleries.ts";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/notice.tsx";

export function UnknownGallery() {
  return (
    <Empty title="The address names a gallery that you cannot see">
      <p>Correct the address, or choose a gallery.</p>
      <p class="row centred">
        {galleries.value.map(({ name }) => <Button key={name} onClick={() => show(name)}>{name}</Button>)}
      </p>
    </Empty>
  );
}
