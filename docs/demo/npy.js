// Readers of NumPy's .npy and .npz files. No DOM, no libraries.

const READERS = {
  u1: (view, at) => view.getUint8(at),
  b1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  u2: (view, at, little) => view.getUint16(at, little),
  u4: (view, at, little) => view.getUint32(at, little),
  i4: (view, at, little) => view.getInt32(at, little),
  i8: (view, at, little) => Number(view.getBigInt64(at, little)),
  f2: (view, at, little) => float16(view.getUint16(at, little)),
  f4: (view, at, little) => view.getFloat32(at, little),
  f8: (view, at, little) => view.getFloat64(at, little),
};

// A .npy file. Complex numbers have a last axis (re, im) in `shape`. Entries are read when
// they are asked for, so that a large file takes no second memory.
export class Npy {
  constructor(bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < 10 || latin1(bytes.subarray(0, 6)) !== "\x93NUMPY") {
      throw new Error("This is no .npy file. Write one with numpy.save.");
    }
    const start = bytes[6] === 1 ? 10 : 12;
    const size =
      bytes[6] === 1 ? this.view.getUint16(8, true) : this.view.getUint32(8, true);
    const header = latin1(bytes.subarray(start, start + size));
    const sides = header.match(/'shape': \(([^)]*)\)/)?.[1].match(/\d+/g) ?? [];
    this.kind = header.match(/'descr': '([^']+)'/)?.[1] ?? "of several fields";
    this.shape = sides.map(Number);
    this.start = start + size;
    this.sizes = [...this.shape]; // Sides and strides of what is stored.
    this.strides = strides(this.sizes, /'fortran_order': True/.test(header));
    if (this.kind.startsWith("<U")) return;
    const [, order, letter, width] = this.kind.match(/^([<>|=])(\w)(\d+)$/) ?? [];
    const complex = letter === "c";
    this.read = READERS[complex ? `f${width / 2}` : `${letter}${width}`];
    if (!this.read) {
      throw new Error(
        `The file holds numbers of the type ${this.kind}, which this page does not read. ` +
          "Save the array as complex64.",
      );
    }
    this.little = order !== ">";
    this.parts = complex ? 2 : 1;
    this.width = width / this.parts;
    if (complex) this.shape.push(2);
    const needed = this.start + product(this.sizes) * Number(width);
    if (bytes.length < needed) {
      throw new Error(
        `The file was cut: it has ${bytes.length} bytes and needs ${needed}. Copy it again.`,
      );
    }
  }

  // Numbers in C order, from one place of the flat array `shape` to another.
  slice(from, to) {
    return Float64Array.from({ length: to - from }, (_, k) => this.at(from + k));
  }

  at(flat) {
    let [entry, place] = [Math.floor(flat / this.parts), 0];
    for (let axis = this.sizes.length - 1; axis >= 0; axis--) {
      place += (entry % this.sizes[axis]) * this.strides[axis];
      entry = Math.floor(entry / this.sizes[axis]);
    }
    const number = place * this.parts + (flat % this.parts);
    return this.read(this.view, this.start + number * this.width, this.little);
  }

  text() {
    const letters = Array.from({ length: Number(this.kind.slice(2)) }, (_, i) =>
      this.view.getUint32(this.start + 4 * i, true),
    );
    return String.fromCodePoint(...letters.filter((letter) => letter));
  }
}

// {shape, data} of a .npy file's bytes. A scalar has the shape []; text is data itself, a
// string.
export function readNpy(bytes) {
  const file = new Npy(bytes);
  if (!file.read) return file.text();
  return { shape: file.shape, data: file.slice(0, product(file.shape)) };
}

function product(sides) {
  return sides.reduce((size, side) => size * side, 1);
}

function strides(sides, fortran) {
  const inner = (axis) => (fortran ? sides.slice(0, axis) : sides.slice(axis + 1));
  return sides.map((_, axis) => product(inner(axis)));
}

// The arrays of a .npz file's bytes by name, as readNpy gives them.
export async function readNpz(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22; // The directory's end, found from the back.
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error("This is no .npz file. Choose one of tfcsi export.");
  const arrays = {};
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 20, true);
    const nameLength = view.getUint16(at + 28, true);
    const others = view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    const local = view.getUint32(at + 42, true);
    const name = latin1(bytes.subarray(at + 46, at + 46 + nameLength));
    const start =
      local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const stored = bytes.subarray(start, start + size);
    arrays[name.replace(/\.npy$/, "")] = readNpy(
      method ? await inflate(stored) : stored,
    );
    at += 46 + nameLength + others;
  }
  return arrays;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream();
  const plain = stream.pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

function latin1(bytes) {
  return String.fromCharCode(...bytes);
}

// The number of a float16 word.
export function float16(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  if (!exponent) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
