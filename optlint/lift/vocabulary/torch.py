"""PyTorch. One table of operations gives the functions, the methods, their in-place and their foreach forms."""

from __future__ import annotations

from optlint.lift import expression as ex
from optlint.lift.expression import Symbol
from optlint.lift.objects import ANY, Cell, Const, Klass, Lib, Seq, Slot, Super, Value, numeric
from optlint.lift.places import attribute
from optlint.lift.vocabulary.elements import argument, constant, over_elements
from optlint.lift.vocabulary.operations import OPERATIONS, Operands, Operation
from optlint.lift.vocabulary.site import (
    Handler,
    Site,
    copy,
    elementwise,
    filled,
    reduction,
    same,
    uninitialized,
)
from optlint.lift.vocabulary.stacks import extreme, extreme_and_index, stack


def _operands(site: Site, x: Value, args: list[Value], foreach: bool) -> Operands:
    named = {
        k: site.expr(v) for k, v in site.kwargs.items() if k != "out" and not (isinstance(v, Const) and v.value is None)
    }
    plain = [v for v in args if not (isinstance(v, Const) and v.value is None)]
    return Operands(site.expr(x), [site.expr(v) for v in plain], named, foreach)


def _function(operation: Operation, foreach: bool = False) -> Handler:
    """``torch.add(x, y)``."""

    def handler(site: Site) -> Value | None:
        first = site.get(0, "input", "self")
        if first is None:
            return None
        rest = site.args[1:] if site.args else []
        made = operation(_operands(site, first, rest, foreach))
        return None if made is None else site.result(made.at(site.span), first, *rest)

    return handler


def _function_in_place(operation: Operation) -> Handler:
    """``torch._foreach_add_(xs, ys)`` on one element."""

    def handler(site: Site) -> Value | None:
        if not site.args or not isinstance(site.args[0], Cell):
            return None
        made = operation(_operands(site, site.args[0], site.args[1:], True))
        if made is None:
            return None
        site.machine.store.fill(site.args[0], made.at(site.span), site.span)
        return site.args[0]

    return handler


def _method(operation: Operation) -> Handler:
    """``x.add(y)``: a new tensor."""

    def handler(site: Site) -> Value | None:
        if site.receiver is None or numeric(site.receiver) is None:
            return None
        made = operation(_operands(site, site.receiver, site.args, False))
        return None if made is None else site.result(made.at(site.span), site.receiver, *site.args)

    return handler


def _method_in_place(operation: Operation) -> Handler:
    """``x.add_(y)``: x changes, and is the result."""

    def handler(site: Site) -> Value | None:
        target = site.receiver
        if not isinstance(target, Cell) or target.expr is None:
            return None
        made = operation(_operands(site, target, site.args, False))
        if made is None:
            made = ex.opaque(site.text, [site.expr(v) for v in site.all()], site.span)
        site.machine.store.fill(target, made.at(site.span), site.span)
        return target

    return handler


def _replaced(position: int = 0) -> Handler:
    """``x.copy_(y)``, ``x.fill_(s)``: all of x is new."""

    def handler(site: Site) -> Value | None:
        target = site.receiver if site.receiver is not None else site.args[0]
        rest = site.args if site.receiver is not None else site.args[1:]
        if not isinstance(target, Cell) or len(rest) <= position:
            return None
        site.machine.store.fill(target, site.expr(rest[position]), site.span)
        return target

    return handler


def _zeroed(site: Site) -> Value | None:
    target = site.receiver if site.receiver is not None else (site.args[0] if site.args else None)
    if not isinstance(target, Cell):
        return None
    site.machine.store.fill(target, ex.const(0, site.span), site.span)
    return target


def _tensor(site: Site) -> Value | None:
    """``torch.tensor(0.0)``: in place from now on."""
    made = copy(site)
    if isinstance(made, Cell) and made.expr is not None:
        made.array, made.scalar = True, False
        return made
    return None


def _in_place(handler: Handler) -> Handler:
    """``torch.zeros(())``: a tensor, too, whose ``+=`` all its names see."""

    def made(site: Site) -> Value | None:
        value = handler(site)
        if isinstance(value, Cell):
            value.array, value.scalar = True, False
        return value

    return made


def _full(site: Site) -> Value | None:
    value = site.get(1, "fill_value")
    expr = numeric(value)
    return None if expr is None else Cell(expr, array=True)


def _where(site: Site) -> Value | None:
    if len(site.args) != 3:
        return None
    return site.result(ex.op("where", *(site.expr(v) for v in site.args), origin=site.span), *site.args[1:])


def _norm(site: Site) -> Value | None:
    values = site.all()
    if not values or numeric(values[0]) is None:
        return None
    extra = values[1:] or [v for k, v in site.kwargs.items() if k == "p"]
    plain = all(isinstance(v, Const) and v.value in (2, "fro") for v in extra)
    if plain and not set(site.kwargs) & {"dim", "axis", "keepdim"}:
        return site.machine.fresh(ex.op("norm", site.expr(values[0]), origin=site.span), Cell(scalar=True))
    return site.opaque()


def _gradient(site: Site) -> Value | None:
    """``p.grad``: given anew at each step, so no state, whatever is done to it."""
    home = site.receiver
    if not isinstance(home, Cell):
        return None
    symbol = Symbol(f"{home.place}.grad".replace("[{", "[").replace("}]", "]"), array=True)
    made = Cell(ex.sym(symbol), place=f"{home.place}.grad", open=True, array=True)
    site.machine.store.quietly(home, attribute("grad"), made)
    site.machine.given.append((home, made, symbol))
    return made


def _optimizer_init(site: Site) -> Value | None:
    """``super().__init__(params, defaults)``: each group holds the defaults."""
    if not isinstance(site.receiver, Super):
        return None
    values = [*site.args, *site.kwargs.values()]
    found = [v for v in values if isinstance(v, Cell) and v.growing and v.expr is None and _named(v)]
    home = site.receiver.receiver
    if not found or not _is_torch(site.receiver.klass):
        return None
    group = Cell(place=f"{home.place}.defaults", open=True)
    for key, value in found[-1].items.items():
        if isinstance(value, Const):
            site.machine.setting(group, key, value)
        else:
            site.machine.store.quietly(group, key, value)
    groups = Cell(place=f"{home.place}.param_groups", open=True)
    groups.factory = lambda key: _group_like(site, group)
    site.machine.store.quietly(home, attribute("param_groups"), groups)
    site.machine.store.quietly(home, attribute("defaults"), found[-1])
    return Const(None)


def _group_like(site: Site, group: Cell) -> Cell:
    """A group with those settings, which the code may change (``group["lr"] *= …``)."""
    made = Cell(items=dict(group.items), open=True)
    for key, value in made.items.items():
        expr = numeric(value)
        if expr is not None and expr.op == "sym" and isinstance(value, Cell):
            site.machine.store.add_slot(Slot(made, key, expr.symbol, value))
    return made


def _named(value: Cell) -> bool:
    return bool(value.items) and all(k.startswith("['") for k in value.items)


def _is_torch(klass: Klass) -> bool:
    """A class over some library's Optimizer: what else calls its base with a dictionary of defaults?"""
    return any(isinstance(b, (Lib, Cell)) or (isinstance(b, Klass) and _is_torch(b)) for b in klass.bases)


def _grouped(site: Site) -> Value | None:
    """``Optimizer._group_tensors_by_device_and_dtype([xs, ys])``: one group holds them all."""
    lists = site.args[0] if site.args else None
    if isinstance(lists, Cell) and lists.growing:
        lists = Seq(list(lists.items.values()))
    if not isinstance(lists, Seq):
        return None
    return Cell(growing=True, items={ANY: Seq([lists, Cell(ex.opaque("indices"), open=True)])})


def _type_name(site: Site) -> Value | None:
    """``x.type()`` asks; ``x.type(dtype)`` converts."""
    return same(site) if site.args else None


def _forms() -> tuple[dict[str, Handler], dict[str, Handler]]:
    names: dict[str, Handler] = {}
    methods: dict[str, Handler] = {}
    for name, operation in OPERATIONS.items():
        names[f"torch.{name}"] = _function(operation)
        names[f"torch._foreach_{name}"] = over_elements(_function(operation, foreach=True))
        names[f"torch._foreach_{name}_"] = over_elements(_function_in_place(operation))
        methods[name] = _method(operation)
        methods[f"{name}_"] = _method_in_place(operation)
    return names, methods


def changed_in_place(site: Site, name: str) -> Value | None:
    """``x.erf_()``, ``torch._foreach_erf_(xs)``: what ends with an underscore changes its first operand."""
    if not name.endswith("_") or name.endswith("__") or not site.machine.speaks_torch:
        return None
    if site.receiver is None and name.startswith("torch._foreach_"):
        return over_elements(_changed_first)(site)
    return _changed_first(site) if site.receiver is None else _changed(site, site.receiver)


def _changed_first(site: Site) -> Value | None:
    return _changed(site, site.args[0]) if site.args else None


def _changed(site: Site, home: Value) -> Value | None:
    if not isinstance(home, Cell) or home.expr is None or home.klass or (made := numeric(site.opaque())) is None:
        return None
    site.machine.store.fill(home, made, site.span)
    return home


_names, _methods = _forms()
_SAME_NAMES = (
    "view_as_real", "view_as_complex", "as_tensor", "squeeze", "unsqueeze", "reshape", "real", "ravel",
    "optim.optimizer._get_value", "optim.optimizer._stack_if_compiling", "optim.optimizer._to_scalar",
)  # fmt: skip
_SAME_METHODS = (
    "float", "double", "half", "bfloat16", "to", "type_as", "cpu", "cuda", "contiguous", "view_as", "expand_as",
    "detach", "detach_", "requires_grad_", "resize_as_", "resize_", "t", "expand", "to_dense", "coalesce", "unsqueeze",
    "squeeze_", "unsqueeze_",
    "numpy", "permute", "share_memory_", "broadcast_to", "cast", "shard_like", "shard",
    "is_param_", "repeat", "repeat_interleave",
)  # fmt: skip

NAMES: dict[str, Handler] = {
    **_names,
    **{f"torch.{n}": same for n in _SAME_NAMES},
    **{f"torch.{n}": _in_place(filled(0)) for n in ("zeros", "zeros_like")},
    **{f"torch.{n}": uninitialized for n in ("empty", "empty_like")},
    **{f"torch.{n}": _in_place(filled(1)) for n in ("ones", "ones_like")},
    **{f"torch.{n}": copy for n in ("clone", "FloatTensor", "Tensor", "FloatStorage")},
    **{f"torch.{n}": _full for n in ("full", "full_like")},
    "torch.nn.init.constant_": _replaced(),
    "torch.nn.init.zeros_": _zeroed,
    **{f"torch.{n}": _tensor for n in ("tensor", "scalar_tensor")},
    **{f"torch.{n}": constant(False) for n in (
        "is_complex", "jit.is_scripting", "jit.is_tracing", "compiler.is_compiling", "_dynamo.is_compiling",
        "_utils.is_compiling", "isnan", "isinf", "overrides.has_torch_function",
    )},
    **{f"torch.{n}": constant(True) for n in ("is_floating_point", "cuda.is_available")},
    "torch.where": _where,
    **{f"torch.{n}": extreme_and_index(n, _names[f"torch.{n}"]) for n in ("max", "min")},
    **{f"torch.a{n}": extreme(n) for n in ("max", "min")},
    **{f"torch.{n}": stack for n in ("cat", "concat", "stack", "vstack")},
    "torch.norm": _norm,
    "torch.linalg.norm": _norm,
    "torch.linalg.vector_norm": _norm,
    "torch.sum": reduction("sum"),
    "torch.mean": reduction("mean"),
    "torch._foreach_copy_": over_elements(_replaced()),
    "torch._foreach_zero_": over_elements(_zeroed),
    "torch._foreach_norm": over_elements(_norm),
    "torch.optim.optimizer._dispatch_sqrt": elementwise("sqrt", 1),
    "torch.optim.optimizer._view_as_real": constant(None),
    "torch.optim.optimizer._default_to_fused_or_foreach": lambda site: Seq([Const(False), Const(False)]),
    "torch.optim.optimizer.Optimizer._group_tensors_by_device_and_dtype": _grouped,
    "torch.optim.Optimizer._group_tensors_by_device_and_dtype": _grouped,
    "torch.optim.optimizer._get_scalar_dtype": constant(None),
    "typing.cast": argument(1),
}  # fmt: skip

METHODS: dict[str, Handler] = {
    **_methods,
    **dict.fromkeys(_SAME_METHODS, same),
    **dict.fromkeys(("clone", "masked_select", "detach_copy"), copy),
    **{n: extreme_and_index(n, _methods[n]) for n in ("max", "min")},
    **{f"a{n}": extreme(n) for n in ("max", "min")},
    "new_zeros": _in_place(filled(0)),
    **dict.fromkeys(("new_empty", "new"), uninitialized),
    **{n: filled(1) for n in ("new_ones",)},
    "new_full": _full,
    "new_tensor": _tensor,
    "copy_": _replaced(),
    "fill_": _replaced(),
    "masked_scatter_": _replaced(1),  # what masked_select took out goes back
    "zero_": _zeroed,
    "norm": _norm,
    "type": _type_name,
    "__init__": _optimizer_init,
    "_group_tensors_by_device_and_dtype": _grouped,
    "is_floating_point": constant(True),
    "is_complex": constant(False),
}

ATTRIBUTES: dict[str, Handler] = {
    "data": same,
    "grad": _gradient,
    "is_sparse": constant(False),
}
