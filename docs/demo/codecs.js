// The two codecs of the page behind one face: `compress` of a matrix gives {packet, parts,
// hHat} and what a codec shows beside. No DOM; networks are functions.

import { sorted } from "./lattice.js";
import { PathCodec } from "./path_codec.js";
import { canReceive, receivePacket } from "./sending.js";
import { decoderInput, encodeOutput, networkInput } from "./ue.js";

// A codec of networks. `encode` maps the input to the output of the encoder, `decode` a
// codeword to (re, im) of a matrix; without it there is no hHat.
export class NeuralCodec {
  constructor(ue, encode, decode) {
    Object.assign(this, { ue, encode, decode });
  }

  // A codec of several rates grants the wishes `step` and `maxBits`.
  async compress(h, wishes) {
    const { x, gain, scale } = networkInput(h, this.ue);
    const y = await this.encode(x);
    const sent = encodeOutput(y, gain, this.ue, wishes);
    if (!this.decode || this.ue.contexts) return { ...sent, scaled: !gain.length && scale !== 1 };
    const { symbols, side } = canReceive(this.ue) ? receivePacket(sent.packet, this.ue) : sent;
    const out = await this.decode(decoderInput(symbols, side, this.ue));
    if (out.length !== h.length) {
      throw new Error(
        `The decoder gives ${out.length} numbers, and the matrix has ${h.length}. Choose ` +
          "the decoder of the same export.",
      );
    }
    const hHat = Float64Array.from(out, (part) => part * scale);
    return { ...sent, hHat, scaled: scale !== 1 && !gain.length };
  }
}

// The codec "paths" whose search is a network that tfcsi export wrote.
export class PathNetworkCodec extends PathCodec {
  constructor(ue, encode) {
    super(ue);
    this.encode = encode;
  }

  async compress(h, wishes) {
    const { x, gain } = networkInput(h, this.ue);
    const { symbols } = encodeOutput(await this.encode(x), gain, this.ue, wishes);
    const rows = symbols.flatMap((_, i) => (i % 4 ? [] : [symbols.slice(i, i + 4)]));
    return this.packed(sorted(rows), this.ue.step, gain[0]);
  }
}
