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

// 2^n for −126 ≤ n ≤ 127.
fn pow2(n: i32) -> f32 { return bitcast<f32>(u32(n + 127) << 23u); }

// x · 2^n in two factors: n may be 128, or below −126.
fn scaled(x: f32, n: i32) -> f32 {
  let half_n = n / 2;
  return x * pow2(half_n) * pow2(n - half_n);
}

// The 12 leading bits: products of two such numbers are exact.
fn leading(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u); }

// x − n ln 2, with ln 2 in two parts, so that no digits are lost.
fn exp_rest(x: f32, n: f32) -> f32 { return (x - n * 0.693359375) + n * 2.12194440e-4; }

// e^r − 1 for |r| <= 0.35.
fn exp_series(r: f32) -> f32 {
  var p = 1.9875691500e-4;
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  return p * r * r + r;
}

fn exp_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x > 88.73) { return infinity(); }
  if (x < -104.0) { return 0.0; }
  let n = round(x * 1.44269504);
  return scaled(exp_series(exp_rest(x, n)) + 1.0, i32(n));
}

fn expm1_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x > 80.0) { return exp_of(x); }
  if (x < -18.0) { return -1.0; }
  let n = round(x * 1.44269504);
  let s = pow2(i32(n));
  return s * exp_series(exp_rest(x, n)) + (s - 1.0);
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
  var bits = bitcast<u32>(x);
  if ((bits << 1u) == 0u) { return -infinity(); }
  if (bits >= 0x80000000u) { return nan(); }
  if (is_inf(x)) { return x; }
  var e = -127;
  // A subnormal number is its bits times 2^−149; arithmetic may take it for 0.
  if (bits < 0x00800000u) { bits = bitcast<u32>(f32(bits)); e = -276; }
  e = e + i32(bits >> 23u);
  var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
  if (m > 1.41421356) { m = m * 0.5; e = e + 1; }
  let n = f32(e);
  return n * 0.693359375 + (log_series((m - 1.0) / (m + 1.0)) - n * 2.12194440e-4);
}

fn log1p_of(x: f32) -> f32 {
  if (abs(x) < 5.9e-8) { return x; }
  if (x > -0.29 && x < 0.41) { return log_series(x / (2.0 + x)); }
  return log_of(1.0 + x);
}

fn sigmoid(x: f32) -> f32 {
  let e = exp_of(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

fn logistic(x: f32) -> f32 {
  let e = exp_of(-abs(x));
  return e / ((1.0 + e) * (1.0 + e));
}

fn sech2(x: f32) -> f32 { return 4.0 * logistic(2.0 * x); }

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

// High word of a 64-bit product.
fn mul_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
}

// For |x| >= 2: (r, q) with x = r + q π/2 and |r| <= π/4, q modulo 4. After Payne and Hanek: of the digits of 2/π only
// those count that give the quotient's last two bits and what follows them.
fn far_angle(x: f32) -> vec2<f32> {
  var two_over_pi = array<u32, 8>(
    0u, 0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0u);
  let bits = bitcast<u32>(x);
  let e = ((bits >> 23u) & 0xffu) - 126u;
  let i = e >> 5u;
  let shift = e & 31u;
  var high = two_over_pi[i];
  var middle = two_over_pi[i + 1u];
  var low = two_over_pi[i + 2u];
  if (shift > 0u) {
    high = (high << shift) | (middle >> (32u - shift));
    middle = (middle << shift) | (low >> (32u - shift));
    low = (low << shift) | (two_over_pi[i + 3u] >> (32u - shift));
  }
  // The product modulo 4, with 62 bits behind the point.
  let m = (bits << 8u) | 0x80000000u;
  let below = mul_high(m, low);
  var fraction = m * middle + below;
  var whole = m * high + mul_high(m, middle) + select(0u, 1u, fraction < below);
  var q = whole >> 30u;
  whole = whole & 0x3fffffffu;
  var s = select(1.5707963, -1.5707963, bits >= 0x80000000u);
  if ((whole & 0x20000000u) != 0u) {
    // Nearer to the next quotient, from below.
    whole = 0x40000000u - whole - select(0u, 1u, fraction != 0u);
    fraction = 0u - fraction;
    q = q + 1u;
    s = -s;
  }
  let r = (f32(whole) * 4294967296.0 + f32(fraction)) * 2.1684043e-19;
  return vec2<f32>(s * r, f32(select(q, 4u - q, bits >= 0x80000000u)));
}

// The same for |x| < 6000: π/2 in four parts, of which the first three times q are exact (Cody and Waite).
fn near_angle(x: f32) -> vec2<f32> {
  let q = round(x * 0.636619772);
  let r = (((x - q * 1.5703125) - q * 4.8375129699707e-4) - q * 7.549533620476723e-8) - q * 2.5633441e-12;
  return vec2<f32>(r, q);
}

fn sin_cos(x: f32, turn: i32) -> f32 {
  if (is_nan(x) || is_inf(x)) { return nan(); }
  var angle: vec2<f32>;
  if (abs(x) < 6000.0) { angle = near_angle(x); } else { angle = far_angle(x); }
  let r = angle.x;
  let z = r * r;
  let quadrant = (i32(angle.y) + turn) & 3;
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

// For |x| >= 0.5: e^(−x²) / (1 + 2|x|) times a polynomial in (|x| − 2) / (|x| + 2), fitted to 5e-9. The rounding of x²
// would be amplified, so it is split: the leading part has an exact square.
fn erfc_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let a = abs(x);
  if (a < 0.5) { return 1.0 - erf_small(x); }
  if (a > 10.1) { return select(0.0, 2.0, x < 0.0); }
  let q = (a - 2.0) / (a + 2.0);
  var p = -2.23766698e-4;
  p = p * q - 1.26257528e-3;
  p = p * q + 1.14505994e-3;
  p = p * q + 8.65675307e-3;
  p = p * q - 8.00531233e-3;
  p = p * q - 5.42106575e-2;
  p = p * q + 1.64048711e-1;
  p = p * q - 1.66030872e-1;
  p = p * q - 9.27637635e-2;
  p = p * q + 1.27697839;
  let h = leading(a);
  let tail = exp_of(-h * h) * exp_of((h - a) * (h + a)) * p / (1.0 + 2.0 * a);
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

// ψ on [1, 2]: x minus the zero of ψ, in two parts, times a quotient of polynomials (J. Maddock, Boost.Math). The parts are
// not subtracted one after another, because a compiler may add them up first.
fn digamma_near(x: f32) -> f32 {
  let z = x - 1.0;
  let p = ((-6.1041765e-2 * z - 4.3916937e-1) * z - 4.4981332e-1) * z + 2.5479851e-1;
  let q = ((6.3851691e-2 * z + 6.5341250e-1) * z + 1.5890203) * z + 1.0;
  let slope = 9.9558163e-1 + p / q;
  return (x - 1.4616317749) * slope - 3.7006602e-7 * slope;
}

fn digamma_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let negative = bitcast<u32>(x) >= 0x80000000u;
  if (x == 0.0) { return select(-infinity(), infinity(), negative); }
  if (is_inf(x)) { return select(x, nan(), negative); }
  var y = x;
  var sum = 0.0;
  if (negative) {
    // −π cot πx, the cosine as the sine of what is left to a half turn.
    let rest = x - round(x);
    if (rest == 0.0) { return nan(); }
    let a = abs(rest);
    sum = -sign(rest) * 3.14159265 * sin_of(3.14159265 * (0.5 - a)) / sin_of(3.14159265 * a);
    y = 1.0 - x;
  }
  if (y >= 10.0) {
    let r = 1.0 / y;
    let z = r * r;
    return sum + ((log_of(y) - 0.5 * r) - z * (8.3333333e-2 - z * (8.3333333e-3 - z * 3.9682540e-3)));
  }
  var near = 0.0;
  while (y > 2.0) {
    y = y - 1.0;
    near = near + 1.0 / y;
  }
  if (y < 1.0) {
    near = near - 1.0 / y;
    y = y + 1.0;
  }
  return sum + (near + digamma_near(y));
}

// n! / x^(n + 1).
fn polygamma_term(n: f32, x: f32) -> f32 {
  var y = 1.0 / x;
  for (var k = 1.0; k <= n; k = k + 1.0) { y = y * (k / x); }
  return y;
}

// The sum of n! / (x + k)^(n + 1) over k = 0, 1, … for x > 0: some terms, then the sum formula of Euler and Maclaurin.
fn polygamma_series(n: f32, start: f32) -> f32 {
  var x = start;
  var sum = 0.0;
  while (x < 6.0 + n) {
    sum = sum + polygamma_term(n, x);
    x = x + 1.0;
  }
  let r = 1.0 / x;
  let first = polygamma_term(n, x);
  let slope = first * (n + 1.0) * r;
  let second = slope * (n + 2.0) * (n + 3.0) * r * r;
  let third = second * (n + 4.0) * (n + 5.0) * r * r;
  let rest = 8.3333333e-2 * slope - 1.3888889e-3 * second + 3.3068783e-5 * third;
  return sum + ((polygamma_term(n - 1.0, x) + 0.5 * first) + rest);
}

fn polygamma_of(n: f32, x: f32) -> f32 {
  if (n == 0.0) { return digamma_of(x); }
  if (is_nan(x) || !(n > 0.0 && n < 1000.0) || floor(n) != n) { return nan(); }
  let s = select(1.0, -1.0, (i32(n) & 1) == 0);
  if (is_inf(x)) { return select(nan(), 0.0, x > 0.0); }
  if (x > 0.0) { return s * polygamma_series(n, x); }
  if (floor(x) == x) { return s * infinity(); }
  // The terms whose x + k is negative are the first `below` of the series at 1 − (x + below).
  let below = ceil(-x);
  let rest = -x - (below - 1.0);
  return polygamma_series(n, rest) + s * polygamma_series(n, x + below) - polygamma_series(n, rest + below);
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

// Small whole exponents by products, exact where the result is. Others as 2^(y log₂ a), the logarithm in two parts:
// fdlibm's powf (Sun Microsystems, 1993). Leading bits are cut off so that the products of parts are exact.
fn pow_positive(a: f32, y: f32) -> f32 {
  if (y == 1.0) { return a; }
  if (y == 2.0) { return a * a; }
  if (y == 3.0) { return a * a * a; }
  if (y == -1.0) { return 1.0 / a; }
  // a = 2^n m with m in [√3/2, √3), and m / c is close to 1 for c = 1 or 1.5.
  var bits = bitcast<u32>(a);
  var n = -127;
  if (bits < 0x00800000u) { bits = bitcast<u32>(f32(bits)); n = -276; }
  n = n + i32(bits >> 23u);
  var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
  var c = 1.0;
  var log2_c = vec2<f32>(0.0, 0.0);
  if (m >= 1.73205078) {
    m = m * 0.5;
    n = n + 1;
  } else if (m > 1.22474483) {
    c = 1.5;
    log2_c = vec2<f32>(5.84960938e-1, 1.56322085e-6);
  }
  // s = (m − c) / (m + c)
  let numerator = m - c;
  let sum = leading(m + c);
  let sum_rest = m - (sum - c);
  let s = numerator / (m + c);
  let s_high = leading(s);
  let s_low = ((numerator - s_high * sum) - s_high * sum_rest) / (m + c);
  // 3/2 log(m / c) = s (3 + s² + r)
  let z = s * s;
  var r = 2.0697501302e-1;
  r = r * z + 2.3066075146e-1;
  r = r * z + 2.7272811532e-1;
  r = r * z + 3.3333334327e-1;
  r = r * z + 4.2857143283e-1;
  r = r * z + 6.0000002384e-1;
  r = r * z * z + s_low * (s_high + s);
  let square = s_high * s_high;
  let factor = leading(3.0 + square + r);
  let factor_low = r - ((factor - 3.0) - square);
  let u = s_high * factor;
  let v = s_low * factor + factor_low * s;
  let product = leading(u + v);
  let product_low = v - (product - u);
  // log₂ a in two parts; 9.6191406250e-1 − 1.1736857402e-4 = 2 / (3 ln 2)
  let w = 9.6191406250e-1 * product;
  let w_low = -1.1736857402e-4 * product + product_low * 9.6179670095e-1 + log2_c.y;
  let log_high = leading(((w + w_low) + log2_c.x) + f32(n));
  let log_low = w_low - (((log_high - f32(n)) - log2_c.x) - w);
  // y log₂ a in two parts
  let y_high = leading(y);
  let e_low = (y - y_high) * log_high + y * log_low;
  let e_high = y_high * log_high;
  let e = e_high + e_low;
  if (e > 128.0) { return infinity(); }
  if (e < -150.0) { return 0.0; }
  let whole = round(e);
  // The rest times ln 2, in two parts again.
  let rest = e_high - whole;
  let rest_high = bitcast<f32>(bitcast<u32>(rest + e_low) & 0xffff8000u);
  let rest_low = e_low - (rest_high - rest);
  let t = rest_high * 6.93145752e-1;
  let t_low = rest_low * 6.9314718246e-1 + rest_high * 1.42860654e-6;
  let x = t + t_low;
  let x_low = t_low - (x - t);
  return scaled((exp_series(x) + (x_low + x * x_low)) + 1.0, i32(whole));
}

// Mantissa and exponent: |x| = m · 2^e for whole numbers m < 2^24 and e.
fn taken_apart(x: f32) -> vec2<i32> {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  if (bits < 0x00800000u) { return vec2<i32>(i32(bits), -149); }
  return vec2<i32>(i32((bits & 0x007fffffu) | 0x00800000u), i32(bits >> 23u) - 150);
}

// C's fmod, exact: a long division of the mantissas, eight bits at a time.
fn fmod_of(x: f32, y: f32) -> f32 {
  let divisor = taken_apart(y);
  if (is_nan(x) || is_nan(y) || is_inf(x) || divisor.x == 0) { return nan(); }
  let dividend = taken_apart(x);
  if (is_inf(y) || abs(x) < abs(y)) { return x; }
  let m = u32(divisor.x);
  var r = u32(dividend.x) % m;
  for (var left = dividend.y - divisor.y; left > 0; left = left - 8) { r = (r << u32(min(left, 8))) % m; }
  let result = scaled(f32(r), divisor.y);
  return select(result, -result, bitcast<u32>(x) >= 0x80000000u);
}

// Towards zero, held within the range; NaN becomes 0. WGSL itself would stop at the largest float in the range.
fn i32_of(x: f32) -> i32 {
  if (is_nan(x)) { return 0; }
  if (x >= 2147483648.0) { return 2147483647; }
  return i32(x);
}

fn u32_of(x: f32) -> u32 {
  if (is_nan(x) || x <= 0.0) { return 0u; }
  if (x >= 4294967296.0) { return 4294967295u; }
  return u32(x);
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
fn threefry(key0: u32, key1: u32, counter: u32, task: u32) -> u32 {
  let keys = array<u32, 3>(key0, key1, key0 ^ key1 ^ 0x1bd11bdau);
  var rotations = array<u32, 8>(13u, 15u, 26u, 6u, 17u, 29u, 16u, 24u);
  var words = keys;
  var x = counter + key0;
  var y = task + key1;
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

// The half nearest to x, ties to even, as f32. In bits, because a compiler may drop a conversion there and back.
fn round_to_half(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (abs(x) >= 65520.0) { return sign(x) * infinity(); }
  // Below 2^-14 halves are whole multiples of 2^-24.
  if (abs(x) < 6.103515625e-5) { return round(x * 16777216.0) * 5.9604644775390625e-8; }
  let bits = bitcast<u32>(x);
  return bitcast<f32>((bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u);
}
