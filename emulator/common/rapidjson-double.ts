/**
 * Doubles as RapidJSON 1.1.0 writes and reads them, which is how the server prints them everywhere: neither is exact, so
 * neither can be left to JavaScript. Writing is Grisu2 (F. Loitsch, "Printing Floating-Point Numbers Quickly and
 * Accurately with Integers", 2010) whose last digit is not corrected once nine or more digits follow the point; reading
 * is one multiplication or division by a power of ten. Checked against 2.51.0: spec/triton-wire.md 4.
 */

/** The most bytes `writeDouble` needs. */
export const maxDoubleByteSize = 32;

/** `1.0`, `1e-7`, `NaN`, `-Infinity`: the text of a JSON number, or of what the server writes instead of one. */
export const formatDouble = (value: number): string => {
  const end = writeDouble(scratch, 0, value);
  let text = "";
  for (let i = 0; i < end; i++) text += String.fromCharCode(scratch[i]!);
  return text;
};

/** Writes the text of `formatDouble` into `out` at `at`, which must have `maxDoubleByteSize` bytes left; gives its end. */
export const writeDouble = (out: Uint8Array, at: number, value: number): number => {
  if (!Number.isFinite(value)) {
    return writeAscii(out, at, Number.isNaN(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
  }
  doubleWord[0] = value;
  const high = words[1]!;
  let position = at;
  if (high >>> 31 === 1) out[position++] = MINUS;
  const magnitude = value < 0 ? -value : value;
  if (magnitude < 1e9 && magnitude === (magnitude | 0)) {
    // At most 15 significant digits: both algorithms agree, and this one is cheap.
    position = writeUint32(out, position, magnitude);
    out[position++] = DOT;
    out[position++] = ZERO;
    return position;
  }
  const biasedExponent = (high >>> 20) & 0x7ff;
  if (biasedExponent === 0) generateSubnormal(magnitude);
  else generateDigits(biasedExponent, high & 0xfffff, words[0]!);
  return layOut(out, position);
};

/** `significand * 10 ** exponent` with the rounding of RapidJSON's normal precision. */
export const scaleByPowerOfTen = (significand: number, exponent: number): number => {
  if (exponent >= 0) return significand * powersOfTen[exponent]!;
  if (exponent >= -308) return significand / powersOfTen[-exponent]!;
  if (exponent < -616) return 0;
  return significand / 1e308 / powersOfTen[-(exponent + 308)]!;
};

/** Writes an integer below 2^32 in decimal; gives the end. */
export const writeUint32 = (out: Uint8Array, at: number, value: number): number => {
  if (value < 10) {
    out[at] = ZERO + value;
    return at + 1;
  }
  const end = at + decimalDigits(value);
  let position = end;
  let rest = value >>> 0;
  while (rest >= 100) {
    const quotient = (rest / 100) >>> 0;
    const pair = (rest - Math.imul(quotient, 100)) | 0;
    position -= 2;
    out[position] = tens[pair]!;
    out[position + 1] = ones[pair]!;
    rest = quotient;
  }
  if (rest >= 10) {
    out[position - 2] = tens[rest]!;
    out[position - 1] = ones[rest]!;
  } else out[position - 1] = ZERO + rest;
  return end;
};

const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const LOWER_E = 0x65;

const scratch = new Uint8Array(maxDoubleByteSize);
const doubleWord = new Float64Array(1);
const words = new Uint32Array(doubleWord.buffer);
/** The digits of 0 to 99 in ASCII. */
const tens = Uint8Array.from({ length: 100 }, (_, value) => ZERO + Math.floor(value / 10));
const ones = Uint8Array.from({ length: 100 }, (_, value) => ZERO + (value % 10));
const powersOfTwo = Float64Array.from({ length: 32 }, (_, exponent) => 2 ** exponent);
const powersOfTen = Float64Array.from({ length: 309 }, (_, exponent) => Number(`1e${exponent}`));

/** Result of the digit generators, in ASCII: value = digits[0..digitCount) * 10 ** decimalExponent. */
const digits = new Uint8Array(24);
let digitCount = 0;
let decimalExponent = 0;

const decimalDigits = (value: number): number => {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1000) return 3;
  if (value < 10000) return 4;
  if (value < 100000) return 5;
  if (value < 1000000) return 6;
  if (value < 10000000) return 7;
  if (value < 100000000) return 8;
  return value < 1000000000 ? 9 : 10;
};

const writeAscii = (out: Uint8Array, at: number, text: string): number => {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return at + text.length;
};

/**
 * Powers of ten from 1e-348 in steps of 1e8, as a 64-bit significand (three limbs of 22, 21 and 21 bits, high to low)
 * and a binary exponent. Made on first use: most servers never print a fraction.
 */
interface CachedPowers {
  readonly significands: BigUint64Array;
  readonly limbs: Int32Array;
  readonly exponents: Int16Array;
}

let madePowers: CachedPowers | null = null;

const cachedPowers = (): CachedPowers => {
  if (madePowers !== null) return madePowers;
  const count = 87;
  const significands = new BigUint64Array(count);
  const limbs = new Int32Array(3 * count);
  const exponents = new Int16Array(count);
  for (let i = 0; i < count; i++) {
    const [significand, exponent] = roundedPowerOfTen(-348 + 8 * i);
    significands[i] = significand;
    exponents[i] = exponent;
    limbs[3 * i] = Number(significand >> 42n);
    limbs[3 * i + 1] = Number((significand >> 21n) & 0x1fffffn);
    limbs[3 * i + 2] = Number(significand & 0x1fffffn);
  }
  madePowers = { significands, limbs, exponents };
  return madePowers;
};

/** The 64-bit significand nearest to 10 ** power, its top bit set, and its binary exponent. */
const roundedPowerOfTen = (power: number): [significand: bigint, exponent: number] => {
  const extraBits = 1400;
  const scaled =
    power >= 0
      ? (10n ** BigInt(power)) << BigInt(extraBits)
      : (1n << BigInt(extraBits)) / 10n ** BigInt(-power);
  const dropped = scaled.toString(16).length * 4 - leadingZeroBits(scaled) - 64;
  const significand = ((scaled >> BigInt(dropped - 1)) + 1n) >> 1n;
  return [significand, dropped - extraBits];
};

/** Zero bits in front of the first set bit of the top hexadecimal digit. */
const leadingZeroBits = (value: bigint): number =>
  Math.clz32(Number.parseInt(value.toString(16)[0]!, 16)) - 28;

/** Index of the cached power that brings a significand with this binary exponent into the range of the generator. */
const powerIndex = (exponent: number): number =>
  (Math.ceil((-61 - exponent) * 0.30102999566398114 + 347) >> 3) + 1;

const TWO_21 = 2 ** 21;
const TWO_31 = 2 ** 31;
const PER_TWO_21 = 2 ** -21;
const PER_TWO_31 = 2 ** -31;

/** Grisu2 for a normal double: `fractionHigh` and `fractionLow` are the 20 and 32 stored bits of its significand. */
const generateDigits = (biasedExponent: number, fractionHigh: number, fractionLow: number): void => {
  const { limbs, exponents } = cachedPowers();
  const exponent = biasedExponent - 1075 - 11;
  const index = powerIndex(exponent);
  const c2 = limbs[3 * index]!;
  const c1 = limbs[3 * index + 1]!;
  const c0 = limbs[3 * index + 2]!;
  const shift = -(exponent + exponents[index]! + 64);

  // The product of both significands in limbs of 21 bits, t4 taking what is left. The lowest limb only gives a carry.
  const a0 = fractionLow & 0x1fffff;
  const a1 = ((fractionHigh & 0x3ff) << 11) | (fractionLow >>> 21);
  const a2 = 0x400 | (fractionHigh >>> 10);
  const column0 = a0 * c0;
  const carry0 = Math.floor(column0 * PER_TWO_21);
  const t0 = column0 - carry0 * TWO_21;
  const column1 = a0 * c1 + a1 * c0 + carry0;
  const carry1 = Math.floor(column1 * PER_TWO_21);
  const t1 = column1 - carry1 * TWO_21;
  const column2 = a0 * c2 + a1 * c1 + a2 * c0 + carry1;
  const carry2 = Math.floor(column2 * PER_TWO_21);
  const t2 = column2 - carry2 * TWO_21;
  const column3 = a1 * c2 + a2 * c1 + carry2;
  const t4 = Math.floor(column3 * PER_TWO_21);
  const t3 = column3 - t4 * TWO_21;

  // The value and its boundaries are this product and half (below a power of two: a quarter) a significand around it,
  // rounded to 64 bits. They differ in the low bits alone, so those are enough for their distances.
  const h2 = c2 >> 1;
  const h1 = ((c2 & 1) << 20) | (c1 >> 1);
  const h0 = ((c1 & 1) << 20) | (c0 >> 1);
  const upperCarry = t1 + h1 + (t0 + h0 >= TWO_21 ? 1 : 0) >= TWO_21 ? 1 : 0;
  const upper = ((t2 + h2 + upperCarry + 0x400) >> 11) - 1;
  const lowerIsNear = fractionHigh === 0 && fractionLow === 0;
  const rounding = lowerIsNear ? 3 : 1;
  const l2 = lowerIsNear ? c2 >> 2 : h2;
  const l1 = lowerIsNear ? ((c2 & 3) << 19) | (c1 >> 2) : h1;
  const l0 = (lowerIsNear ? ((c1 & 3) << 19) | (c0 >> 2) : h0) + ((c0 & rounding) === 0 ? 0 : 1);
  const lowerBorrow = t1 - l1 - (t0 - l0 < 0 ? 1 : 0) < 0 ? 1 : 0;
  const lower = ((t2 - l2 - lowerBorrow + 0x400) >> 11) + 1;
  const delta = upper - lower;
  const distance = upper - ((t2 + 0x400) >> 11);

  let high = a2 * c2 + t4;
  let low = t3 * 0x400 + upper;
  if (low >= TWO_31) {
    low -= TWO_31;
    high++;
  } else if (low < 0) {
    low += TWO_31;
    high--;
  }
  const unit = powersOfTwo[shift - 31]!;
  const integer = Math.floor(high / unit);
  generateFromParts(integer, high - integer * unit, low, shift, delta, distance);
  decimalExponent += 348 - 8 * index;
};

/**
 * Digits of `integer` + a fraction of (fractionHigh * 2^31 + fractionLow) / 2^shift, which is the upper boundary:
 * as few as stay within `delta`. Both `delta` and `distance` (to the value itself) count units of the fraction's last bit.
 */
const generateFromParts = (
  integer: number,
  fractionHigh: number,
  fractionLow: number,
  shift: number,
  delta: number,
  distance: number,
): void => {
  digitCount = 0;
  decimalExponent = 0;
  if (integer !== 0) appendDigits(integer, decimalDigits(integer));
  if (fractionHigh === 0 && fractionLow <= delta) {
    while (digits[digitCount - 1] === ZERO) {
      digitCount--;
      decimalExponent++;
    }
    return;
  }
  const unit = powersOfTwo[shift - 31]!;
  const perUnit = 1 / unit;
  let high = fractionHigh;
  let low = fractionLow;
  let deltaHigh = 0;
  let deltaLow = delta;
  let made = 0;
  // The digits that are surely needed come in steps of several. Once within delta, always within delta: so such a step counts
  // only if it ends outside.
  let expected = ((shift - 12) * 77) >> 8;
  for (;;) {
    const step = Math.min(6, Math.max(1, expected));
    const factor = powersOfTen[step]!;
    const lowProduct = low * factor;
    const lowCarry = Math.floor(lowProduct * PER_TWO_31);
    const nextLow = lowProduct - lowCarry * TWO_31;
    const highProduct = high * factor + lowCarry;
    const chunk = Math.floor(highProduct * perUnit);
    const nextHigh = highProduct - chunk * unit;
    const deltaProduct = deltaLow * factor;
    const deltaCarry = Math.floor(deltaProduct * PER_TWO_31);
    const nextDeltaLow = deltaProduct - deltaCarry * TWO_31;
    const nextDeltaHigh = deltaHigh * factor + deltaCarry;
    const within = nextHigh < nextDeltaHigh || (nextHigh === nextDeltaHigh && nextLow < nextDeltaLow);
    if (within && step > 1) {
      expected = 1;
      continue;
    }
    high = nextHigh;
    low = nextLow;
    deltaHigh = nextDeltaHigh;
    deltaLow = nextDeltaLow;
    made += step;
    expected -= step;
    appendDigits(chunk, step);
    if (within) break;
  }
  decimalExponent = -made;
  // Below nine digits everything here is under 2^53 wherever the correction can apply.
  if (made < 9) {
    const scaledDistance = distance * powersOfTen[made]!;
    correctLastDigit(deltaHigh * TWO_31 + deltaLow, high * TWO_31 + low, unit * TWO_31, scaledDistance);
  }
};

/** Appends `count` decimal digits of `value`, at most 9, without zeros in front of the first digit of all. */
const appendDigits = (value: number, count: number): void => {
  const start = digitCount;
  let position = start + count;
  let rest = value | 0;
  while (position - start >= 2) {
    const quotient = (rest / 100) | 0;
    const pair = rest - quotient * 100;
    position -= 2;
    digits[position] = tens[pair]!;
    digits[position + 1] = ones[pair]!;
    rest = quotient;
  }
  if (position > start) digits[start] = ZERO + rest;
  digitCount = start + count;
  if (start !== 0 || digits[0] !== ZERO) return;
  let zeros = 1;
  while (zeros < count && digits[zeros] === ZERO) zeros++;
  digits.copyWithin(0, zeros, count);
  digitCount -= zeros;
};

/** Moves the last digit down towards the value while that stays inside the boundaries. */
const correctLastDigit = (delta: number, overshoot: number, step: number, distance: number): void => {
  let rest = overshoot;
  while (
    rest < distance &&
    delta - rest >= step &&
    (rest + step < distance || distance - rest > rest + step - distance)
  ) {
    digits[digitCount - 1]!--;
    rest += step;
  }
};

/** Grisu2 for a subnormal double, whose boundaries are far apart; rare enough for plain 64-bit arithmetic. */
const generateSubnormal = (magnitude: number): void => {
  const significand = BigInt(Math.round(magnitude / 2 ** -1022 / 2 ** -52));
  const bits = significand.toString(2).length;
  const exponent = -1074 - (64 - bits);
  const { significands, exponents } = cachedPowers();
  const index = powerIndex(exponent);
  const scale = (value: bigint): bigint => {
    const product = value * significands[index]!;
    return (product + (1n << 63n)) >> 64n;
  };
  const shift = BigInt(-(exponent + exponents[index]! + 64));
  const normalise = BigInt(64 - bits);
  const upper = scale(((2n * significand + 1n) << normalise) >> 1n) - 1n;
  const lower = scale(((2n * significand - 1n) << normalise) >> 1n) + 1n;
  const distance = upper - scale(significand << normalise);
  let delta = upper - lower;
  const one = 1n << shift;
  const text = (upper >> shift).toString();
  let rest = upper & (one - 1n);
  digitCount = 0;
  decimalExponent = 348 - 8 * index;
  let integer = upper >> shift;
  for (let kappa = text.length - 1; kappa >= 0; kappa--) {
    const weight = 10n ** BigInt(kappa);
    const digit = Number(integer / weight);
    integer %= weight;
    if (digit !== 0 || digitCount !== 0) digits[digitCount++] = ZERO + digit;
    const remaining = (integer << shift) + rest;
    if (remaining <= delta) {
      decimalExponent += kappa;
      correctLastDigit64(delta, remaining, weight << shift, distance);
      return;
    }
  }
  let made = 0;
  do {
    rest *= 10n;
    delta *= 10n;
    const digit = Number(rest >> shift);
    rest &= one - 1n;
    made++;
    if (digit !== 0 || digitCount !== 0) digits[digitCount++] = ZERO + digit;
  } while (rest >= delta);
  decimalExponent -= made;
  correctLastDigit64(delta, rest, one, made < 9 ? distance * 10n ** BigInt(made) : 0n);
};

const correctLastDigit64 = (delta: bigint, overshoot: bigint, step: bigint, distance: bigint): void => {
  let rest = overshoot;
  while (
    rest < distance &&
    delta - rest >= step &&
    (rest + step < distance || distance - rest > rest + step - distance)
  ) {
    digits[digitCount - 1]!--;
    rest += step;
  }
};

/** Places point, zeros and exponent as the writer does: plain up to 21 digits before the point and 6 zeros after it. */
const layOut = (out: Uint8Array, at: number): number => {
  const count = digitCount;
  const point = count + decimalExponent;
  let position = at;
  if (decimalExponent >= 0 && point <= 21) {
    for (let i = 0; i < count; i++) out[position++] = digits[i]!;
    for (let i = count; i < point; i++) out[position++] = ZERO;
    out[position++] = DOT;
    out[position++] = ZERO;
    return position;
  }
  if (point > 0 && point <= 21) {
    for (let i = 0; i < point; i++) out[position++] = digits[i]!;
    out[position++] = DOT;
    for (let i = point; i < count; i++) out[position++] = digits[i]!;
    return position;
  }
  if (point > -6 && point <= 0) {
    out[position++] = ZERO;
    out[position++] = DOT;
    for (let i = point; i < 0; i++) out[position++] = ZERO;
    for (let i = 0; i < count; i++) out[position++] = digits[i]!;
    return position;
  }
  out[position++] = digits[0]!;
  if (count > 1) {
    out[position++] = DOT;
    for (let i = 1; i < count; i++) out[position++] = digits[i]!;
  }
  out[position++] = LOWER_E;
  if (point < 1) out[position++] = MINUS;
  return writeUint32(out, position, Math.abs(point - 1));
};
