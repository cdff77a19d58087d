// A contraction in register tiles, without workgroup memory: one invocation computes rows × columns of the
// output. For adapters on which barriers are dear, and for outputs too small to fill a GPU with larger tiles.

/*{declarations}*/

// Elementwise work on the way out, and the stores, for output element `o`.
fn finish(o: i32, result: /*{type}*/) {
  /*{output}*/
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let t = i32(id.x + id.y * groups.x * 64u);
  if (t >= /*{tiles}*/) { return; }
  let column_tiles = /*{columnTiles}*/;
  let row_tiles = /*{rowTiles}*/;
  let n0 = (t % column_tiles) * /*{columns}*/;
  let m0 = ((t / column_tiles) % row_tiles) * /*{rows}*/;
  let batch = t / (column_tiles * row_tiles);
  let rows = /*{m}*/;
  let columns = /*{n}*/;
  /*{bases}*/
  /*{accumulators}*/
  /*{open}*/
  /*{body}*/
  /*{close}*/
  /*{stores}*/
}
