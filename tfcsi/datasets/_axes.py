"""Which axis of an array is which: told, or taken where only one reading fits.

The names of axes are `n` (matrices), `rx` (antennas of the user), `tx` (antennas of the
base station, or angles), `sc` or `delay` (subcarriers or delay taps), `reim` (real and
imaginary parts), `ht` (both parts of a whole matrix in one axis, in the order of the
published COST 2100 files) and `1` (an axis of length one). `axes="tx,sc,n"` names the
axes of an array in the order of its file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfcsi import transforms
from tfcsi.datasets._files import Array, DataError
from tfcsi.datasets.cost2100 import KEY, from_ht

NAMES = ("n", "rx", "tx", "sc", "reim", "ht", "1")
_ORDER = ("n", "rx", "tx", "sc")
_Readings = dict[int, tuple[tuple[str, ...], ...]]
# Readings of complex arrays by their number of axes. Python's users store the matrices
# first, MATLAB's users often last.
_READINGS: _Readings = {
    2: (("tx", "sc"), ("n", "sc")),
    3: (("n", "tx", "sc"), ("tx", "sc", "n")),
    4: (("n", "rx", "tx", "sc"), ("rx", "tx", "sc", "n"), ("n", "tx", "sc", "rx")),
}
# Readings of other tools. If no shape is told, they make an array ambiguous.
_OTHERS: _Readings = {
    2: (("sc", "n"),),
    3: (("sc", "tx", "n"), ("n", "sc", "tx")),
    4: (("n", "sc", "rx", "tx"), ("sc", "n", "rx", "tx")),
}
# MATLAB drops a last axis of one: that of the matrices, or of one subcarrier.
_DROPPED: _Readings = {3: (("rx", "tx", "sc"), ("n", "rx", "tx"))}
# No phone has more antennas, no array and no band more than that. Larger axes are
# others.
_MOST_RX, _MOST_TX, _MOST_SC = 16, 1024, 4096
_ENOUGH = 64  # So many entries of complex CSI have some that are negative.
TAKEN = (
    "complex [n, tx, sc], [tx, sc, n], [n, rx, tx, sc], [rx, tx, sc, n] or one matrix "
    f"[tx, sc]; the same as two real arrays H_re and H_im; real {KEY} [n, 2 tx sc]; "
    "anything else with axes=..., such as axes=n,reim,tx,sc"
)


def names_of(axes: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the names of axes that a text such as "tx,sc,n" lists.

    Raises:
      ValueError: a name is unknown or comes twice, or an axis that is needed is absent.
    """
    listed = axes.split(",") if isinstance(axes, str) else list(axes)
    names = [{"delay": "sc"}.get(name.strip(), name.strip()) for name in listed]
    text = ",".join(names)
    for name in names:
        if name not in NAMES:
            raise ValueError(
                f"axes is {text!r}; {name!r} is no axis, known: delay, "
                f"{', '.join(NAMES)}"
            )
        if name != "1" and names.count(name) > 1:
            raise ValueError(f"axes is {text!r}; {name!r} comes twice")
    if not {"tx", "sc", "ht"} & set(names):
        raise ValueError(f"axes is {text!r}; name an axis tx, sc or delay")
    if "ht" in names and {"rx", "tx", "sc", "reim"} & set(names):
        raise ValueError(f"axes is {text!r}; ht holds all axes but n")
    return tuple(names)


def fitting(
    array: Array, shape: Sequence[int] | None = None, least: int = 1
) -> list[tuple[str, ...]]:
    """Returns the readings that the sizes of a complex array allow.

    Args:
      array: the array.
      shape: (num_tx, num_delay) that matrices must have; any if None.
      least: number of matrices that there must be.
    """
    rank, fits = len(array.shape), []
    dropped = _DROPPED.get(rank, ()) if array.of_matlab else ()
    others = () if shape else _OTHERS.get(rank, ())
    for names in (*_READINGS.get(rank, ()), *others, *dropped):
        sizes = {**dict.fromkeys(_ORDER, 1), **dict(zip(names, array.shape))}
        if not (names in dropped) < sizes["rx"] <= _MOST_RX or sizes["n"] < least:
            continue
        if shape is not None:
            fits += [names] * ((sizes["tx"], sizes["sc"]) == tuple(shape))
        elif names in others:
            fits += [names] * _of_others(names, sizes)
        elif "tx" not in names or 1 < sizes["tx"] <= _MOST_TX:
            fits += [names] * (sizes["sc"] > 1 or names == ("n", "rx", "tx"))
    obvious = _obvious(array)
    if shape is not None or obvious not in fits:
        return fits
    return [names for names in fits if names == obvious or names in dropped]


def _of_others(names: tuple[str, ...], sizes: Mapping[str, int]) -> bool:
    """Whether another tool may have stored axes of such sizes in its order."""
    if names == ("n", "sc", "tx"):  # Few antennas, such as those of a Wi-Fi card.
        return 1 < sizes["tx"] <= _MOST_RX < sizes["sc"]
    of_array = len(names) > 3 or "tx" not in names or 1 < sizes["tx"]
    several = len(names) < 4 or sizes["n"] > 1
    sound = sizes["tx"] <= _MOST_TX and 1 < sizes["sc"] <= _MOST_SC
    return of_array and several and sound


def _obvious(array: Array) -> tuple[str, ...] | None:
    """The reading that the sides of square matrices tell."""
    if len(array.shape) == 2 and array.shape[0] == array.shape[1]:
        return _READINGS[2][0]
    if len(array.shape) != 3:
        return None
    first, last = _READINGS[3]
    a, b, c = array.shape
    if a != b == c:
        return first
    return last if array.of_matlab and a == b != c else None


def reading(
    array: Array,
    axes: str | None = None,
    shape: Sequence[int] | None = None,
    least: int = 1,
) -> tuple[str, ...]:
    """Returns the names of the axes of an array.

    Args:
      array: the array.
      axes: the names as they are told; if there are none, those of the file's
        attribute `axes`, or of the only reading that fits.
      shape: (num_tx, num_delay) that matrices must have; any if None.
      least: number of matrices that there must be.

    Raises:
      DataError: no reading fits, or more than one.
      ValueError: `axes` lists no axes.
    """
    kind, sizes = array.kind(), list(array.shape)
    label = f"{array.path}: {array.key!r} is {kind} {sizes}"
    if kind not in ("complex", "real"):
        remedy = "; in MATLAB H = cat(3, H{:}) makes one array of a cell of matrices"
        remedy = remedy if kind == "cell" else ""
        raise DataError(f"{label}, expected {TAKEN}{remedy}")
    if axes or array.axes:
        names = names_of(axes or array.axes)
        if len(names) != len(sizes):
            raise DataError(
                f"{label}, which has {len(sizes)} axes; axes={','.join(names)} names "
                f"{len(names)}"
            )
        for name, size in zip(names, sizes):
            if size != {"1": 1, "reim": 2}.get(name, size):
                raise DataError(
                    f"{label}; axes={','.join(names)} names an axis of {size} {name!r}"
                )
        if (kind == "real") != bool({"reim", "ht"} & set(names)):
            hint = "it has no axis reim" if kind == "complex" else "name its axis reim"
            raise DataError(f"{label}; {hint}: axes={','.join(names)} does not fit")
        return names
    if kind == "real":
        if array.key == KEY and len(sizes) == 2:
            return ("n", "ht")
        raise DataError(f"{label}, expected complex; {_of_real(array)}")
    fits = fitting(array, shape, least)
    if len(fits) == 1:
        return fits[0]
    if fits:
        readings = " or ".join(_reading_text(names, sizes) for names in fits)
        raise DataError(f"{label}, which can be read as {readings}; give axes")
    counted = f"{least} or more " if least > 1 else ""
    form = "" if shape is None else f"; expected complex [n, {shape[0]}, {shape[1]}]"
    raise DataError(
        f"{label}, in which no axes fit {counted}matrices{form}; taken are {TAKEN}"
    )


def _reading_text(names: Sequence[str], sizes: Sequence[int]) -> str:
    """Spells out a reading, for messages."""
    size = {**dict.fromkeys(_ORDER, 1), **dict(zip(names, sizes))}
    users = f", {size['rx']} antennas of the user" if size["rx"] > 1 else ""
    matrices = _counted(size["n"], "matrix", "matrices")
    columns = _counted(size["sc"], "subcarrier or delay", "subcarriers or delays")
    antennas = _counted(size["tx"], "antenna", "antennas")
    return f"{matrices} of {antennas} x {columns}{users} (axes={','.join(names)})"


def _counted(num: int, one: str, several: str) -> str:
    return f"{num} {one if num == 1 else several}"


def _of_real(array: Array) -> str:
    """Tells what real numbers are likely to be, and how they can be read."""
    axes = {3: "reim,tx,sc", 4: "n,tx,sc,reim or axes=n,reim,tx,sc"}
    told = axes.get(len(array.shape), "n,reim,tx,sc")
    text = f"if one axis holds (re, im), name it, such as axes={told}"
    block = array[(slice(0, 1000),) + (slice(None),) * (len(array.shape) - 1)]
    if len(array.shape) == 2:
        text += f"; if it has the form of {KEY}, [n, 2 tx sc], give axes=n,ht"
    fault = positive_only(block)
    return f"{text}; {fault}" if fault else text


def positive_only(block: np.ndarray, zero: float = 0.0) -> str:
    """Says why real numbers are no real and imaginary parts; empty if they may be."""
    if not block.size or block.min() < zero:
        return ""
    if block.max() <= 1 and abs(block.mean() - 0.5) < 0.1:
        return (
            f"it has no negative value, is all of [0, 1] and has a mean near 0.5 "
            f"({block.mean():.3f}), so 0.5 stands for zero: give zero=0.5"
        )
    if block.max() <= 1:
        return (
            "it has no negative value and is all of [0, 1]: give zero=0.5 if 0.5 "
            "stands for zero; amplitudes without phases are no CSI"
        )
    return "it has no negative value: amplitudes without phases are no CSI"


def arranged(
    array: Array,
    names: Sequence[str],
    rx: int | None = None,
    shape: Sequence[int] | None = None,
    zero: float = 0.0,
) -> Array:
    """Returns an array with the axes [n, tx, sc], complex, that reads from another.

    Args:
      array: the array, as it is on disk.
      names: names of its axes, as `reading` returns them.
      rx: number of the user's antenna, from 0; needed if there are several.
      shape: (num_tx, num_delay) of matrices in an axis `ht`; 32 x 32 if None.
      zero: number that stands for zero in real and imaginary parts.

    Raises:
      DataError: numbers that are no real and imaginary parts, or an axis `ht` of
        another length.
      ValueError: there is no such antenna, or several and `rx` is None.
    """
    sizes = dict(zip(names, array.shape))
    label = f"{array.path}: {array.key!r} {list(array.shape)}"
    if "ht" in names:
        return _of_ht(array, names, tuple(shape or (32, 32)), label)
    num_rx = sizes.get("rx", 1)
    if rx is None and num_rx > 1:
        raise ValueError(
            f"{label} has {num_rx} antennas of the user; name one with rx, "
            f"0 to {num_rx - 1}"
        )
    if not 0 <= (rx or 0) < num_rx:
        raise ValueError(
            f"rx is {rx}; {array.path} has antennas 0 to {num_rx - 1} ({array.key!r})"
        )
    squeezed = [name for name in names if name != "1"]
    order = [squeezed.index(name) for name in (*_ORDER, "reim") if name in squeezed]
    absent = [i for i, name in enumerate(_ORDER) if name not in squeezed]

    def get(index: tuple) -> np.ndarray:
        wanted = dict(zip(("n", "tx", "sc"), index), rx=slice(rx or 0, (rx or 0) + 1))
        block = array[tuple(wanted.get(name, slice(None)) for name in names)]
        ones = tuple(i for i, name in enumerate(names) if name == "1")
        block = np.expand_dims(block.squeeze(ones).transpose(order), absent)
        if "reim" in names:
            return ((block[..., 0] - zero) + 1j * (block[..., 1] - zero))[:, 0]
        return block[:, 0] - zero * (1 + 1j) if zero else block[:, 0]

    first = array[tuple(slice(0, 1000 if n == "n" else None) for n in names)]
    is_complex = first.dtype.kind == "c"
    parts = np.stack([first.real, first.imag]) if is_complex else first
    parts = parts[np.isfinite(parts)]
    mean = parts.mean() if parts.size else zero
    if abs(mean) < abs(mean - zero):
        raise DataError(
            f"{label}: the mean of real and imaginary parts is {mean:.3f}, so {zero:g} "
            f"does not stand for zero: leave out zero"
        )
    fault = positive_only(parts, zero)
    if fault and (not is_complex or _is_dense(parts)):
        raise DataError(f"{label}: {fault}")
    lengths = [sizes.get(name, 1) for name in ("n", "tx", "sc")]
    return Array(array.path, array.key, tuple(lengths), get)


def _is_dense(parts: np.ndarray) -> bool:
    """Whether enough real and imaginary parts are not zero to judge their signs."""
    return np.count_nonzero(parts) >= max(_ENOUGH, parts.size // 2)


def check_dropped(label: str, shape: Sequence[int], first: str) -> None:
    """Refuses two axes of MATLAB that may be [rx, tx] of one subcarrier.

    MATLAB drops a last axis of length one.

    Args:
      label: whose axes they are, for the message.
      shape: lengths of the two axes.
      first: names of the axes before them, such as "n,".
    """
    one, two = shape
    if one <= _MOST_RX and 1 < two <= _MOST_TX:
        raise DataError(
            f"{label} is {list(shape)}, which can be read as {one} antennas x {two} "
            f"subcarriers (axes={first}tx,sc) or as {one} antennas of the user x {two} "
            f"antennas at one subcarrier (axes={first}rx,tx), since MATLAB drops a "
            f"last axis of one; give axes"
        )


def _of_ht(
    array: Array, names: Sequence[str], shape: tuple[int, ...], label: str
) -> Array:
    """Returns [n, tx, sc] of the published form of COST 2100."""
    num_tx, num_delay = shape
    if array.shape[names.index("ht")] != 2 * num_tx * num_delay:
        raise DataError(
            f"{label}: a row of matrices of {num_tx} x {num_delay} has "
            f"{2 * num_tx * num_delay} numbers; give shape"
        )
    at = names.index("n") if "n" in names else None

    def get(index: tuple) -> np.ndarray:
        rows = [slice(None)] * len(names)
        if at is not None:
            rows[at] = index[0]
        block = array[tuple(rows)]
        block = np.moveaxis(block, at, 0) if at is not None else block[None]
        block = block.reshape(len(block), 2 * num_tx * num_delay)
        first = (index[0].start or 0) if index else 0
        of_rows = f"{array.path}: {array.key!r}, matrices {first} to"
        x = from_ht(block, of_rows, shape)
        return transforms.to_complex(x)[(slice(None), *index[1:])]

    num = 1 if at is None else array.shape[at]
    return Array(array.path, array.key, (num, *shape), get)


def told(array: Array, names: Sequence[str], read: Array, domain: str) -> str:
    """Says how an array was read: what a command prints.

    Args:
      array: the array, as it is on disk.
      names: names of its axes.
      read: the same array as [n, tx, sc].
      domain: domain of the matrices.
    """
    n, num_tx, num_sc = read.shape
    matrices = _counted(n, "matrix", "matrices")
    antennas = _counted(num_tx, "antenna", "antennas")
    column = "delay" if domain == "angular_delay" else "subcarrier"
    return (
        f"{array.key} {list(array.shape)}: {matrices} of {antennas} x "
        f"{_counted(num_sc, column, f'{column}s')} (axes {','.join(names)})"
    )
