// Scalar functions that WGSL lacks, or defines with too little accuracy for derivatives.
//
// WGSL lets an implementation assume that NaN and infinity do not occur, and a constant expression may not
// make them: so they are recognised by their bits, and made from numbers the compiler cannot see through.
// Polynomials are those of Cephes (S. Moshier, netlib) for single precision where no other source is given.

fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

fn is_inf(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u; }

var<private> infinity_bits: u32 = 0x7f800000u;

fn infinity() -> f32 { return bitcast<f32>(infinity_bits); }

fn nan() -> f32 { return bitcast<f32>(infinity_bits | 0x400000u); }

fn sign_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  return sign(x);
}

// Maximum and minimum that pass NaN on.
fn max_nan(a: f32, b: f32) -> f32 {
  if (is_nan(a)) { return a; }
  if (is_nan(b)) { return b; }
  return max(a, b);
}

fn min_nan(a: f32, b: f32) -> f32 {
  if (is_nan(a)) { return a; }
  if (is_nan(b)) { return b; }
  return min(a, b);
}

fn exp_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x > 88.73) { return infinity(); }
  if (x < -104.0) { return 0.0; }
  // x = n ln 2 + r, with ln 2 in two parts, so that no digits of r are lost.
  let n = round(x * 1.44269504);
  let r = (x - n * 0.693359375) + n * 2.12194440e-4;
  var p = 1.9875691500e-4;
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  let y = p * r * r + r + 1.0;
  // 2^n in two factors: n may be 128 or below −126.
  let half_n = floor(n * 0.5);
  return y * exp2(half_n) * exp2(n - half_n);
}

fn expm1_of(x: f32) -> f32 {
  if (abs(x) > 0.35) { return exp_of(x) - 1.0; }
  var p = 2.4801587e-5;
  p = p * x + 1.9841270e-4;
  p = p * x + 1.3888889e-3;
  p = p * x + 8.3333333e-3;
  p = p * x + 4.1666667e-2;
  p = p * x + 1.6666667e-1;
  p = p * x + 0.5;
  return p * x * x + x;
}

// 2 atanh(s), the series to s^11, for |s| <= 0.18.
fn log_series(s: f32) -> f32 {
  let z = s * s;
  var p = 0.090909091;
  p = p * z + 0.11111111;
  p = p * z + 0.14285714;
  p = p * z + 0.2;
  p = p * z + 0.33333333;
  return 2.0 * (s + s * z * p);
}

fn log_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x < 0.0) { return nan(); }
  if (x == 0.0) { return -infinity(); }
  if (is_inf(x)) { return x; }
  var bits = bitcast<u32>(x);
  var e = -127;
  if (bits < 0x00800000u) { bits = bitcast<u32>(x * 8388608.0); e = -150; }
  e = e + i32(bits >> 23u);
  var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
  if (m > 1.41421356) { m = m * 0.5; e = e + 1; }
  let n = f32(e);
  return n * 0.693359375 + (log_series((m - 1.0) / (m + 1.0)) - n * 2.12194440e-4);
}

fn log1p_of(x: f32) -> f32 {
  if (x > -0.29 && x < 0.41) { return log_series(x / (2.0 + x)); }
  return log_of(1.0 + x);
}

fn sigmoid(x: f32) -> f32 {
  let e = exp_of(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

fn softplus(x: f32) -> f32 { return max_nan(x, 0.0) + log1p_of(exp_of(-abs(x))); }

fn tanh_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let a = abs(x);
  if (a > 9.1) { return sign(x); }
  let t = expm1_of(2.0 * a);
  return sign(x) * t / (t + 2.0);
}

fn sinh_of(x: f32) -> f32 {
  let a = abs(x);
  if (a > 80.0) { let h = exp_of(0.5 * a); return sign_of(x) * 0.5 * h * h; }
  let t = expm1_of(a);
  return sign_of(x) * 0.5 * (t + t / (t + 1.0));
}

fn cosh_of(x: f32) -> f32 {
  let h = exp_of(0.5 * abs(x));
  return 0.5 * h * h + 0.5 / (h * h);
}

fn asinh_of(x: f32) -> f32 {
  let a = abs(x);
  if (a > 1.0e9) { return sign_of(x) * (log_of(a) + 0.693147181); }
  return sign_of(x) * log1p_of(a + a * a / (1.0 + sqrt(a * a + 1.0)));
}

fn acosh_of(x: f32) -> f32 {
  if (x < 1.0) { return nan(); }
  if (x > 1.0e9) { return log_of(x) + 0.693147181; }
  let t = x - 1.0;
  return log1p_of(t + sqrt(2.0 * t + t * t));
}

fn atanh_of(x: f32) -> f32 {
  let a = abs(x);
  if (a > 1.0) { return nan(); }
  if (a == 1.0) { return sign_of(x) * infinity(); }
  return sign_of(x) * 0.5 * log1p_of(2.0 * a / (1.0 - a));
}

// x − k π/2 with π/2 in three parts (Cody and Waite); good to |x| of some ten thousands.
fn reduce_angle(x: f32, k: f32) -> f32 { return ((x - k * 1.5703125) - k * 4.83751296997e-4) - k * 7.54978995489e-8; }

fn sin_cos(x: f32, turn: i32) -> f32 {
  if (is_nan(x) || is_inf(x)) { return nan(); }
  let k = round(x * 0.636619772);
  let r = reduce_angle(x, k);
  let z = r * r;
  let quadrant = (i32(k) + turn) & 3;
  var y: f32;
  if ((quadrant & 1) == 0) {
    y = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
  } else {
    y = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
  }
  return select(y, -y, quadrant >= 2);
}

fn sin_of(x: f32) -> f32 { return sin_cos(x, 0); }

fn cos_of(x: f32) -> f32 { return sin_cos(x, 1); }

fn tan_of(x: f32) -> f32 { return sin_cos(x, 0) / sin_cos(x, 1); }

fn atan_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let a = abs(x);
  var base = 0.0;
  var r = a;
  if (a > 2.414213562) {
    base = 1.570796327;
    r = -1.0 / a;
  } else if (a > 0.4142135624) {
    base = 0.7853981634;
    r = (a - 1.0) / (a + 1.0);
  }
  let z = r * r;
  let p = ((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1;
  return sign(x) * (base + (p * z * r + r));
}

fn atan2_of(y: f32, x: f32) -> f32 {
  if (is_nan(x) || is_nan(y)) { return nan(); }
  let negative_x = (bitcast<u32>(x) >> 31u) == 1u;
  let s = select(1.0, -1.0, (bitcast<u32>(y) >> 31u) == 1u);
  if (y == 0.0) { return s * select(0.0, 3.14159265, negative_x); }
  if (x == 0.0) { return s * 1.57079633; }
  if (is_inf(x)) {
    if (is_inf(y)) { return s * select(0.785398163, 2.35619449, negative_x); }
    return s * select(0.0, 3.14159265, negative_x);
  }
  if (is_inf(y)) { return s * 1.57079633; }
  let t = atan_of(abs(y / x));
  return s * select(t, 3.14159265 - t, negative_x);
}

fn asin_of(x: f32) -> f32 {
  if (abs(x) > 1.0) { return nan(); }
  return atan2_of(x, sqrt((1.0 - x) * (1.0 + x)));
}

fn acos_of(x: f32) -> f32 {
  if (abs(x) > 1.0) { return nan(); }
  return 2.0 * atan2_of(sqrt(1.0 - x), sqrt(1.0 + x));
}

fn erf_of(x: f32) -> f32 {
  if (abs(x) > 1.0) { return 1.0 - erfc_of(x); }
  return erf_small(x);
}

fn erfc_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let a = abs(x);
  if (a < 1.0) { return 1.0 - erf_small(x); }
  if (a > 10.5) { return select(0.0, 2.0, x < 0.0); }
  let q = 1.0 / a;
  let z = q * q;
  var p: f32;
  if (a < 2.0) {
    p = 2.326819970068386e-2;
    p = p * z - 1.387039388740657e-1;
    p = p * z + 3.687424674597105e-1;
    p = p * z - 5.824733027278666e-1;
    p = p * z + 6.210004621745983e-1;
    p = p * z - 4.944515323274145e-1;
    p = p * z + 3.404879937665872e-1;
    p = p * z - 2.741127028184656e-1;
    p = p * z + 5.638259427472472e-1;
  } else {
    p = -1.047766399936249e1;
    p = p * z + 1.297719955372516e1;
    p = p * z - 7.495518717768503;
    p = p * z + 2.921019019210786;
    p = p * z - 1.015265279202700;
    p = p * z + 4.218463358204948e-1;
    p = p * z - 2.820767439740514e-1;
    p = p * z + 5.641895067754075e-1;
  }
  let tail = exp_of(-a * a) * q * p;
  return select(tail, 2.0 - tail, x < 0.0);
}

fn erf_small(x: f32) -> f32 {
  let z = x * x;
  var p = 7.853861353153693e-5;
  p = p * z - 8.010193625184903e-4;
  p = p * z + 5.188327685732524e-3;
  p = p * z - 2.685381193529856e-2;
  p = p * z + 1.128358514861418e-1;
  p = p * z - 3.761262582423300e-1;
  p = p * z + 1.128379165726710;
  return x * p;
}

// x^y as IEEE 754 defines pow; the WGSL built-in is undefined for x < 0.
fn pow_of(x: f32, y: f32) -> f32 {
  if (y == 0.0 || x == 1.0) { return 1.0; }
  if (is_nan(x) || is_nan(y)) { return nan(); }
  let whole = floor(y) == y || is_inf(y);
  let odd = whole && abs(y) < 16777216.0 && (i32(y) & 1) != 0;
  let negative = (bitcast<u32>(x) >> 31u) == 1u;
  let a = abs(x);
  if (a == 0.0) { return select(1.0, -1.0, negative && odd) * select(0.0, infinity(), y < 0.0); }
  if (is_inf(y)) {
    if (a == 1.0) { return 1.0; }
    return select(0.0, infinity(), (a > 1.0) == (y > 0.0));
  }
  if (is_inf(x)) { return select(1.0, -1.0, negative && odd) * select(0.0, infinity(), y > 0.0); }
  if (negative && !whole) { return nan(); }
  return select(1.0, -1.0, negative && odd) * pow_positive(a, y);
}

// Small whole exponents by repeated squaring, exact where the result is; others through the logarithm.
fn pow_positive(a: f32, y: f32) -> f32 {
  if (floor(y) == y && abs(y) <= 64.0) {
    var n = u32(abs(y));
    var b = a;
    var r = 1.0;
    loop {
      if ((n & 1u) == 1u) { r = r * b; }
      n = n >> 1u;
      if (n == 0u) { break; }
      b = b * b;
    }
    return select(r, 1.0 / r, y < 0.0);
  }
  return exp_of(y * log_of(a));
}

// C's fmod: exact for quotients below 2^24.
fn fmod_of(x: f32, y: f32) -> f32 {
  if (is_nan(x) || is_nan(y) || is_inf(x) || y == 0.0) { return nan(); }
  if (is_inf(y)) { return x; }
  let a = abs(x);
  let b = abs(y);
  var r = a - b * floor(a / b);
  if (r < 0.0) { r = r + b; }
  if (r >= b) { r = r - b; }
  return select(r, -r, x < 0.0);
}

fn div_i32(a: i32, b: i32) -> i32 {
  if (b == 0) { return 0; }
  return a / b;
}

fn div_u32(a: u32, b: u32) -> u32 {
  if (b == 0u) { return 0u; }
  return a / b;
}

fn mod_i32(a: i32, b: i32) -> i32 {
  if (b == 0) { return 0; }
  return a % b;
}

fn mod_u32(a: u32, b: u32) -> u32 {
  if (b == 0u) { return 0u; }
  return a % b;
}

// Threefry-2x32, 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011); the first word.
fn threefry(key0: u32, key1: u32, counter: u32) -> u32 {
  let keys = array<u32, 3>(key0, key1, key0 ^ key1 ^ 0x1bd11bdau);
  var rotations = array<u32, 8>(13u, 15u, 26u, 6u, 17u, 29u, 16u, 24u);
  var words = keys;
  var x = counter + key0;
  var y = key1;
  for (var round = 0u; round < 20u; round = round + 1u) {
    let r = rotations[round & 7u];
    x = x + y;
    y = ((y << r) | (y >> (32u - r))) ^ x;
    if ((round & 3u) == 3u) {
      let s = (round >> 2u) + 1u;
      x = x + words[s % 3u];
      y = y + words[(s + 1u) % 3u] + s;
    }
  }
  return x;
}
