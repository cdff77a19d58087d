// A contraction for GPUs: a workgroup of 16 × 16 invocations computes 64 × 64 outputs, 4 × 4 an invocation.
// Slices of 16 along k of both operands pass through workgroup memory.

/*{declarations}*/

const TILE = 64;
const DEPTH = 16;

var<workgroup> tile_a: array<array</*{type}*/, 64>, 16>;
var<workgroup> tile_b: array<array</*{type}*/, 64>, 16>;

fn load_a(batch: i32, m: i32, k: i32) -> /*{type}*/ {
  /*{loadA}*/
}

fn load_b(batch: i32, n: i32, k: i32) -> /*{type}*/ {
  /*{loadB}*/
}

// Elementwise work on the way out, and the stores, for output element `o`.
fn finish(o: i32, result: /*{type}*/) {
  /*{output}*/
}

fn output_index(batch: i32, m: i32, n: i32) -> i32 {
  /*{outputIndex}*/
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let t = i32(group.x + group.y * groups.x);
  if (t >= /*{tiles}*/) { return; }
  let column_tiles = /*{columnTiles}*/;
  let row_tiles = /*{rowTiles}*/;
  let n0 = (t % column_tiles) * TILE;
  let m0 = ((t / column_tiles) % row_tiles) * TILE;
  let batch = t / (column_tiles * row_tiles);
  let rows = /*{m}*/;
  let columns = /*{n}*/;
  let depth = /*{k}*/;
  let row = i32(local / 16u) * 4;
  let column = i32(local % 16u) * 4;
  var sum: array<array</*{type}*/, 4>, 4>;
  for (var k0 = 0; k0 < depth; k0 += DEPTH) {
    for (var i = i32(local); i < TILE * DEPTH; i += 256) {
      // Neighbouring invocations read neighbouring k of a row.
      let k = i % DEPTH;
      let line = i / DEPTH;
      var a = /*{type}*/(0);
      var b = /*{type}*/(0);
      if (k0 + k < depth && m0 + line < rows) { a = load_a(batch, m0 + line, k0 + k); }
      if (k0 + k < depth && n0 + line < columns) { b = load_b(batch, n0 + line, k0 + k); }
      tile_a[k][line] = a;
      tile_b[k][line] = b;
    }
    workgroupBarrier();
    for (var k = 0; k < DEPTH; k++) {
      for (var i = 0; i < 4; i++) {
        let a = tile_a[k][row + i];
        for (var j = 0; j < 4; j++) { sum[i][j] += a * tile_b[k][column + j]; }
      }
    }
    workgroupBarrier();
  }
  for (var i = 0; i < 4; i++) {
    for (var j = 0; j < 4; j++) {
      if (m0 + row + i < rows && n0 + column + j < columns) {
        finish(output_index(batch, m0 + row + i, n0 + column + j), sum[i][j]);
      }
    }
  }
}
