// A running sum along the middle of [outer, length, inner]: one invocation a line.

/*{declarations}*/

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let line = i32(id.x + id.y * groups.x * 64u);
  let length = /*{length}*/;
  let inner = /*{inner}*/;
  if (line >= /*{lines}*/) { return; }
  let start = (line / inner) * length * inner + line % inner;
  // Two levels, as in a reduction: the error grows with the square root of the length.
  var total = /*{type}*/(0);
  var part = /*{type}*/(0);
  for (var i = 0; i < length; i++) {
    if (i % 64 == 0) {
      total += part;
      part = /*{type}*/(0);
    }
    part += /*{element}*/;
    /*{store}*/
  }
}
