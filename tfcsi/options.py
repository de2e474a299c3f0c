"""Refusal of options by name: what is not declared, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def check_options(names: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Refuses the first option that is not declared.

    Args:
      names: names of the options that a caller gives.
      known: names of the declared options.
      owner: whose options they are, for the message.

    Raises:
      ValueError: an option is not declared; the message has the nearest name, if one is
        near, and all that are declared.
    """
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ";"
            raise ValueError(
                f"{owner} has no option {name!r}{hint} known: {', '.join(known) or '-'}"
            )
