// One pass of a stable merge sort of indices along the middle of [outer, length, inner]. Runs of `run` elements
// are sorted already; each element finds how many elements of the sibling run come before it (binary search),
// and so its place in the merged run. Every element has a place of its own: no barriers, no atomics.

/*{declarations}*/

// Does key x come strictly before key y? NaN comes last, in either direction.
fn before(x: /*{key}*/, y: /*{key}*/) -> bool {
  /*{before}*/
}

fn key_at(base: i32, index: i32, inner: i32) -> /*{key}*/ {
  return /*{load}*/;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let e = i32(id.x + id.y * groups.x * 64u);
  let length = /*{length}*/;
  let inner = /*{inner}*/;
  if (e >= /*{size}*/) { return; }
  let run = /*{run}*/;
  let i = (e / inner) % length;
  let base = (e / (inner * length)) * length * inner + e % inner;
  let mine = /*{index}*/;
  let key = key_at(base, mine, inner);
  let own = i / run;
  let left = own % 2 == 0;
  let sibling = select((own - 1) * run, (own + 1) * run, left);
  let begin = min(sibling, length);
  // Binary search for the number of sibling elements before this one. Of equal keys the left run's come first.
  var low = begin;
  var high = min(sibling + run, length);
  while (low < high) {
    let middle = (low + high) / 2;
    let i = middle;
    let other = key_at(base, /*{siblingIndex}*/, inner);
    let goes_first = select(!before(key, other), before(other, key), left);
    if (goes_first) { low = middle + 1; } else { high = middle; }
  }
  let place = (own / 2) * 2 * run + i % run + low - begin;
  /*{out}*/[base + place * inner] = mine;
}
