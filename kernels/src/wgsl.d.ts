/** A `.wgsl` file is imported as its text: esbuild's `text` loader in builds, the same transform under Jest. */
declare module "*.wgsl" {
  const source: string;
  export default source;
}
