"""What a run is asked to do: defaults, and the command line's choices over them."""

from __future__ import annotations

from dataclasses import dataclass, fields

OUTPUT_FORMATS = (
    "full",
    "concise",
    "grouped",
    "json",
    "json-lines",
    "github",
    "gitlab",
    "sarif",
    "junit",
    "rdjson",
    "rdjsonl",
    "pylint",
    "azure",
)
FAIL_ON = ("error", "warning", "note", "never")
CONVENTIONS = (
    "auto",
    "paper",
    "pytorch",
    "keras",
    "tensorflow",
    "optax",
    "jax",
    "mxnet",
    "mlx",
    "chainer",
    "lasagne",
)

_CHOICES = {"convention": CONVENTIONS, "output_format": OUTPUT_FORMATS, "fail_on": FAIL_ON}


@dataclass(frozen=True, slots=True)
class Settings:
    """One run's settings; a value that is not allowed raises ValueError.

    convention: whose reading of epsilon and bias correction counts; fail_on: the lowest severity that makes
    the run exit with 1; isolated: read no configuration file; unconfirmed: show unconfirmed findings too.
    """

    convention: str = "auto"
    output_format: str = "full"
    unconfirmed: bool = False
    exit_zero: bool = False
    fail_on: str = "warning"
    isolated: bool = False
    show_updates: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            choices = _CHOICES.get(field.name)
            if choices is not None and value not in choices:
                raise ValueError(f"{field.name} is one of {', '.join(choices)}, not {value!r}")
            if choices is None and not isinstance(value, bool):
                raise ValueError(f"{field.name} is true or false, not {value!r}")
