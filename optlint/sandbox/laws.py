"""What every optimizer obeys, whatever it computes: relations that need no reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from optlint.sandbox.witness import SCENES, Scene, play
from optlint.subject import Subject

Law = Callable[[Subject], bool]


def rests(subject: Subject) -> bool:
    """Nothing but zero gradients: every step is finite."""
    return _finite(subject, (SCENES["zero gradient"],))


def stays_real(subject: Subject) -> bool:
    """No gradient of ordinary size, of either sign, makes the step NaN or infinite."""
    names = ("constant gradient", "negative gradient", "random gradient", "small gradient, w = -1", "large gradient")
    return _finite(subject, tuple(SCENES[n] for n in names))


LAWS: Mapping[str, Law] = {"rests": rests, "stays real": stays_real}


def _finite(subject: Subject, scenes: tuple[Scene, ...]) -> bool:
    for scene in scenes:
        if scene.start and subject.parameter is None:
            continue
        if not np.isfinite(play(subject, scene).step).all():
            return False
    return True
