// Readers of NumPy's .npy and .npz files. No DOM, no libraries.

const READERS = {
  "|u1": (view, at) => view.getUint8(at),
  "|b1": (view, at) => view.getUint8(at),
  "|i1": (view, at) => view.getInt8(at),
  "<u2": (view, at) => view.getUint16(at, true),
  "<u4": (view, at) => view.getUint32(at, true),
  "<i4": (view, at) => view.getInt32(at, true),
  "<i8": (view, at) => Number(view.getBigInt64(at, true)),
  "<f2": (view, at) => float16(view.getUint16(at, true)),
  "<f4": (view, at) => view.getFloat32(at, true),
  "<f8": (view, at) => view.getFloat64(at, true),
};

// {shape, data} of a .npy file's bytes. Complex numbers get a last axis (re, im), a
// scalar has the shape []; text is data itself, a string.
export function readNpy(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (latin1(bytes.subarray(0, 6)) !== "\x93NUMPY") throw new Error("not a .npy file");
  const start = bytes[6] === 1 ? 10 : 12;
  const size = bytes[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = latin1(bytes.subarray(start, start + size));
  let [, kind] = header.match(/'descr': '([^']+)'/);
  const shape =
    header
      .match(/'shape': \(([^)]*)\)/)[1]
      .match(/\d+/g)
      ?.map(Number) ?? [];
  if (header.includes("'fortran_order': True") && shape.length > 1) {
    throw new Error("a .npy file in Fortran order: save numpy.ascontiguousarray of it");
  }
  const content = start + size;
  if (kind.startsWith("<U")) {
    const letters = Array.from({ length: Number(kind.slice(2)) }, (_, i) =>
      view.getUint32(content + 4 * i, true),
    );
    return String.fromCodePoint(...letters.filter((letter) => letter));
  }
  if (kind.startsWith("<c")) {
    shape.push(2);
    kind = `<f${Number(kind.slice(2)) / 2}`;
  }
  const read = READERS[kind];
  if (!read)
    throw new Error(`a .npy file of type ${kind}, which this page does not read`);
  const width = Number(kind.slice(2));
  const count = shape.reduce((product, side) => product * side, 1);
  const data = new Float64Array(count).map((_, i) => read(view, content + i * width));
  return { shape, data };
}

// The arrays of a .npz file's bytes by name, as readNpy gives them.
export async function readNpz(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22; // The directory's end, found from the back.
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error("not a .npz file");
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

function float16(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  if (!exponent) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
