// out = x plus every source element whose index points here. One invocation an output element.

/*{declarations}*/

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let o = i32(id.x + id.y * groups.x * 64u);
  if (o >= /*{size}*/) { return; }
  /*{coordinates}*/
  var sum = /*{start}*/;
  if (/*{inside}*/) {
    let first = /*{first}*/;
    let stride = /*{stride}*/;
    for (var i = 0; i < /*{count}*/; i++) {
      let at = first + i * stride;
      if (data1[at] == /*{position}*/) { sum += /*{element}*/; }
    }
  }
  /*{store}*/
}
