export function ImageView() {
  return <h1>Image</h1>;
}
