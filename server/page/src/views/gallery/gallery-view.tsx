export function GalleryView() {
  return <h1>Gallery</h1>;
}
