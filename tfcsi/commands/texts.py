"""From the text of a flag to its value; a ValueError if the text has none."""

from __future__ import annotations

import ast
import os

import numpy as np

MOST_NUMBERS = 10000  # Of a range low:high:step.


def word(text: str) -> str:
    """The text, which must not be blank."""
    if not text.strip():
        raise ValueError
    return text


def names(text: str) -> list[str]:
    """Names with commas between."""
    return [word(name.strip()) for name in text.split(",")]


def numbers(text: str) -> list[float]:
    """Numbers with commas between, or low:high:step with both ends."""
    values = [float(part) for part in text.replace(":", ",").split(",")]
    if not np.isfinite(values).all():
        raise ValueError
    if ":" not in text:
        return values
    low, high, step = values
    if step <= 0 or not 0 <= (high - low) / step < MOST_NUMBERS:
        raise ValueError
    count = int((high - low) / step + 1e-6) + 1
    return [round(low + step * i, 10) for i in range(count)]


def folders(text: str) -> list[str]:
    """Folders with commas between; a text that is itself the name of one is that."""
    return [text] if os.path.exists(text) else names(text)


def shard(text: str) -> tuple[int, int]:
    """The number of a part, from 1, and the number of parts, as in 2/8."""
    number, count = (int(part) for part in text.split("/"))
    if not 1 <= number <= count:
        raise ValueError
    return number, count


def integers(text: str) -> list[int]:
    """Positive integers with commas between."""
    values = [int(part) for part in text.split(",")]
    if min(values) < 1:
        raise ValueError
    return values


def arguments(text: str) -> dict:
    """key=value with commas between; a value that is no Python literal is a word."""
    values = {}
    for part in text.split(",") if text else ():
        key, equals, value = part.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError
        try:
            values[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            values[key] = value
    return values


def options(text: str) -> tuple[str, dict]:
    """name:key=value,... as the name and its arguments."""
    name, _, rest = text.partition(":")
    values = arguments(rest)
    if not values:
        raise ValueError
    return word(name), values


def shape(text: str) -> tuple[int, int]:
    """num_tx,num_delay."""
    num_tx, num_delay = (int(side) for side in text.split(","))
    if min(num_tx, num_delay) < 1:
        raise ValueError
    return num_tx, num_delay


def counts(text: str) -> list[int]:
    """One number, or three: train,val,test."""
    counts = [int(part) for part in text.split(",")]
    if len(counts) not in (1, 3):
        raise ValueError
    return counts


def results_or_part(text: str) -> str:
    """Name of a results file, or of a part of an evaluation."""
    return text if text.endswith(".npz") else results_file(text)


def results_file(text: str) -> str:
    """Name of a results file."""
    if not text.endswith(".json"):
        raise ValueError
    return text
