"""The style that a net of several styles is asked to draw in."""

from collections.abc import Sequence

import numpy as np


def chosen(style: str, styles: Sequence[str], *, of: str) -> str:
    """The style of this name, the first one for "", or "" where there is but one.

    of: what has the styles, for the ValueError that a name of no style raises.
    """
    if style in (styles or [""]):
        return style
    if not style:
        return styles[0]
    expected = f"one of {', '.join(styles)}" if styles else "none, it has one style"
    raise ValueError(f"style: expected {expected} ({of}), got {style!r}")


def shares(style: str, styles: Sequence[str]) -> dict[str, np.ndarray]:
    """What a batch of photos holds for its style: {"style": float32[1, S]}; {} without styles."""
    one_hot = np.asarray([[style == one for one in styles]], np.float32)
    return {"style": one_hot} if styles else {}
