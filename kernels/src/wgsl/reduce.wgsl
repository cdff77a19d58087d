// A reduction: one invocation an output element, which walks the reduced dimensions in blocks.
// The sum of a block is added to the total when the block ends, so that the rounding error grows with the
// length of a block plus the number of blocks, not with their product.

/*{declarations}*/

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let o = i32(id.x + id.y * groups.x * 64u);
  if (o >= /*{size}*/) { return; }
  /*{coordinates}*/
  /*{begin}*/
  /*{open}*/
  /*{body}*/
  /*{close}*/
  /*{output}*/
}
