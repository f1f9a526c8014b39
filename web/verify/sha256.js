// SHA-256 (FIPS 180-4), synchronous, so that a proof is walked in one piece; WebCrypto's digest answers by promises
// (docs/adr/0008).

const PRIMES = [];
for (let number = 2; PRIMES.length < 64; number++) {
  if (PRIMES.every((prime) => number % prime)) PRIMES.push(number);
}

/** The first 32 bits of the fractional part of a root, by integers: floating point is exact enough only for some. */
function fraction(prime, power) {
  const scaled = BigInt(prime) << BigInt(32 * power);
  let root = 0n;
  for (let bit = 1n << 36n; bit; bit >>= 1n) if ((root | bit) ** BigInt(power) <= scaled) root |= bit;
  return Number(root & 0xffffffffn) | 0;
}

const START = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(prime, 2));
const K = Int32Array.from(PRIMES, (prime) => fraction(prime, 3));
const W = new Int32Array(64);

function compress(state, data, offset) {
  for (let t = 0, at = offset; t < 16; t++, at += 4) {
    W[t] = (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3];
  }
  for (let t = 16; t < 64; t++) {
    const x = W[t - 15];
    const y = W[t - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    W[t] = (W[t - 16] + s0 + W[t - 7] + s1) | 0;
  }
  let a = state[0]; // not by destructuring, which iterates: this is the one loop that counts
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let t = 0; t < 64; t++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + K[t] + W[t]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

/** The hash of the parts, one after the other. */
export function sha256(...parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const data = new Uint8Array(((length + 72) >> 6) << 6);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  data[length] = 0x80;
  const view = new DataView(data.buffer);
  view.setUint32(data.length - 8, Math.floor(length / 0x20000000));
  view.setUint32(data.length - 4, length << 3);
  const state = START.slice();
  for (let block = 0; block < data.length; block += 64) compress(state, data, block);
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((word, number) => out.setInt32(number * 4, word));
  return new Uint8Array(out.buffer);
}
