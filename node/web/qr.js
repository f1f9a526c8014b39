// QR codes (ISO/IEC 18004) of short texts, made in the browser: a voucher in a label's link never leaves it.
// Byte mode, error correction level M, versions 1 to 10 (up to 213 bytes): what a consumer's link needs.

// Per version: codewords in all, error correction codewords a block, blocks.
const VERSIONS = [[26, 10, 1], [44, 16, 1], [70, 26, 1], [100, 18, 2], [134, 24, 2], [172, 16, 4], [196, 18, 4],
  [242, 22, 4], [292, 22, 5], [346, 26, 5]];
const ALIGNED = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  EXP[i] = EXP[i + 255] = x;
  LOG[x] = i;
  x = (x << 1) ^ (x & 128 ? 0x11d : 0);
}
const times = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);

function generator(degree) {
  let poly = [1];
  for (let i = 0; i < degree; i++) {
    const next = [...poly, 0];
    poly.forEach((value, at) => { next[at + 1] ^= times(value, EXP[i]); });
    poly = next;
  }
  return poly;
}

function correction(data, degree) {
  const poly = generator(degree);
  const rest = [...data, ...new Array(degree).fill(0)];
  for (let i = 0; i < data.length; i++) {
    const lead = rest[i];
    if (lead) poly.forEach((value, at) => { rest[i + at] ^= times(value, lead); });
  }
  return rest.slice(data.length);
}

// Data codewords: mode, length, bytes, terminator, padding.
function codewords(bytes, version, capacity) {
  const bits = [];
  const put = (value, width) => { for (let i = width - 1; i >= 0; i--) bits.push((value >> i) & 1); };
  put(4, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  put(0, Math.min(4, capacity * 8 - bits.length));
  while (bits.length % 8) bits.push(0);
  const words = [];
  for (let i = 0; i < bits.length; i += 8) words.push(parseInt(bits.slice(i, i + 8).join(""), 2));
  for (let pad = 0xec; words.length < capacity; pad ^= 0xec ^ 0x11) words.push(pad);
  return words;
}

// Blocks with their corrections, interleaved as they are drawn.
function interleaved(words, [total, degree, blocks]) {
  const short = Math.floor(total / blocks) - degree;
  const longer = blocks - (total % blocks);
  const parts = [];
  for (let i = 0, at = 0; i < blocks; i++) {
    const size = short + (i >= longer ? 1 : 0);
    parts.push(words.slice(at, at + size));
    at += size;
  }
  const out = [];
  for (let i = 0; i <= short; i++) for (const part of parts) if (i < part.length) out.push(part[i]);
  const checks = parts.map((part) => correction(part, degree));
  for (let i = 0; i < degree; i++) for (const check of checks) out.push(check[i]);
  return out;
}

const bch = (value, poly, shift) => {
  let rest = value << shift;
  for (let i = 31 - Math.clz32(rest); i >= shift; i--) if ((rest >> i) & 1) rest ^= poly << (i - shift);
  return (value << shift) | rest;
};

// The fixed patterns; null where data goes.
function frame(version) {
  const size = 17 + 4 * version;
  const grid = Array.from({ length: size }, () => new Array(size).fill(null));
  const square = (row, column, radius, dark) => {
    for (let r = -radius; r <= radius; r++) {
      for (let c = -radius; c <= radius; c++) {
        const y = row + r;
        const x = column + c;
        if (y >= 0 && y < size && x >= 0 && x < size) grid[y][x] = dark(Math.max(Math.abs(r), Math.abs(c)));
      }
    }
  };
  for (const [row, column] of [[3, 3], [3, size - 4], [size - 4, 3]]) {
    square(row, column, 4, (ring) => (ring !== 2 && ring !== 4 ? 1 : 0));
  }
  const centres = ALIGNED[version - 1];
  for (const row of centres) {
    for (const column of centres) {
      if (grid[row][column] === null) square(row, column, 2, (ring) => (ring !== 1 ? 1 : 0));
    }
  }
  for (let i = 8; i < size - 8; i++) grid[6][i] = grid[i][6] = 1 - (i & 1);
  for (let i = 0; i < 9; i++) {
    if (grid[8][i] === null) grid[8][i] = 0;
    if (grid[i][8] === null) grid[i][8] = 0;
    if (i < 8) grid[8][size - 1 - i] = grid[size - 1 - i][8] = 0;
  }
  grid[size - 8][8] = 1;
  if (version >= 7) {
    const bits = bch(version, 0x1f25, 12);
    for (let i = 0; i < 18; i++) {
      const bit = (bits >> i) & 1;
      grid[Math.floor(i / 3)][size - 11 + (i % 3)] = grid[size - 11 + (i % 3)][Math.floor(i / 3)] = bit;
    }
  }
  return grid;
}

const MASKS = [
  (r, c) => (r + c) % 2, (r) => r % 2, (r, c) => c % 3, (r, c) => (r + c) % 3,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2, (r, c) => ((r * c) % 2) + ((r * c) % 3),
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2, (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2,
];

function drawn(empty, words, mask) {
  const size = empty.length;
  const grid = empty.map((row) => [...row]);
  let at = 0;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const row = ((right + 1) & 2) === 0 ? size - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (empty[row][column] !== null) continue;
        const bit = at < words.length * 8 ? (words[at >> 3] >> (7 - (at & 7))) & 1 : 0;
        grid[row][column] = bit ^ (MASKS[mask](row, column) === 0 ? 1 : 0);
        at++;
      }
    }
  }
  const format = bch(mask, 0x537, 10) ^ 0x5412; // level M is 00
  for (let i = 0; i < 15; i++) {
    const bit = (format >> i) & 1;
    if (i < 6) grid[i][8] = bit;
    else if (i < 8) grid[i + 1][8] = bit;
    else if (i === 8) grid[8][7] = bit;
    else grid[8][14 - i] = bit;
    if (i < 8) grid[8][size - 1 - i] = bit;
    else grid[size - 15 + i][8] = bit;
  }
  return grid;
}

function penalty(grid) {
  const size = grid.length;
  const columns = grid.map((_, c) => grid.map((row) => row[c]));
  let points = 0;
  for (const line of [...grid, ...columns]) {
    const text = line.join("");
    for (const run of text.match(/0{5,}|1{5,}/g) || []) points += run.length - 2;
    for (const finder of ["10111010000", "00001011101"]) {
      for (let at = text.indexOf(finder); at >= 0; at = text.indexOf(finder, at + 1)) points += 40;
    }
  }
  let dark = 0;
  for (let r = 0; r < size; r++) {
    for (let c = 0; c < size; c++) {
      dark += grid[r][c];
      if (r && c && grid[r][c] === grid[r - 1][c] && grid[r][c] === grid[r][c - 1]
        && grid[r][c] === grid[r - 1][c - 1]) points += 3;
    }
  }
  return points + 10 * Math.floor(Math.abs((dark * 20) / (size * size) - 10));
}

// Rows of 0 and 1. Throws where the text is too long. `mask` is chosen by the standard's penalty unless it is given.
export function modules(text, mask = null) {
  const bytes = new TextEncoder().encode(text);
  const version = 1 + VERSIONS.findIndex(([total, degree, blocks], i) => {
    const room = (total - degree * blocks) * 8 - 4 - (i < 9 ? 8 : 16);
    return bytes.length * 8 <= room;
  });
  if (!version) throw new RangeError("too long for a label");
  const shape = VERSIONS[version - 1];
  const words = interleaved(codewords(bytes, version, shape[0] - shape[1] * shape[2]), shape);
  const empty = frame(version);
  const grids = (mask === null ? [0, 1, 2, 3, 4, 5, 6, 7] : [mask]).map((one) => drawn(empty, words, one));
  const points = grids.map(penalty);
  return grids[points.indexOf(Math.min(...points))];
}

// An SVG element with the quiet zone of four modules.
export function svg(text) {
  const grid = modules(text);
  const size = grid.length + 8;
  const path = grid.flatMap((row, r) => row.map((dark, c) => (dark ? `M${c + 4} ${r + 4}h1v1h-1z` : ""))).join("");
  const space = "http://www.w3.org/2000/svg";
  const image = document.createElementNS(space, "svg");
  image.setAttribute("viewBox", `0 0 ${size} ${size}`);
  image.setAttribute("role", "img");
  image.setAttribute("shape-rendering", "crispEdges");
  for (const [name, fill, d] of [["rect", "#fff", null], ["path", "#000", path]]) {
    const part = document.createElementNS(space, name);
    part.setAttribute("fill", fill);
    if (d === null) { part.setAttribute("width", size); part.setAttribute("height", size); } else part.setAttribute("d", d);
    image.append(part);
  }
  return image;
}
