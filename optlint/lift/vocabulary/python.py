"""Python's own functions and the methods of its containers."""

from __future__ import annotations

from dataclasses import replace

from optlint.lift import expression as ex
from optlint.lift.expression import Symbol
from optlint.lift.objects import (
    ANY,
    Cell,
    Const,
    Each,
    Fields,
    Func,
    Klass,
    Lazy,
    Lib,
    Seq,
    Super,
    Value,
    is_filled,
    numeric,
)
from optlint.lift.parts import numbers_of
from optlint.lift.places import attribute, item, place_of
from optlint.lift.vocabulary.firsts import with_default
from optlint.lift.vocabulary.site import Handler, Site, copy, elementwise


def _anonymous() -> Symbol:
    return Symbol("·", kind="index", iterates="key")


def _range(site: Site) -> Value | None:
    values = [numeric(v) for v in site.args]
    start = values[0] if len(values) > 1 else ex.const(0)
    stop = values[-1] if len(values) < 3 and start == ex.const(0) and values else None
    index = Symbol("·", kind="index", iterates="count", start=start, stop=stop)
    by = values[2] if len(values) > 2 else None
    if by is not None and start == ex.const(0):
        site.machine.strides[ex.sym(index)] = by
    return Each(Cell(ex.sym(index), scalar=True), index)


def _keyed(site: Site, home: Value, index: Symbol) -> Value:
    """The element of ``home`` that belongs to ``index``, once the loop has named it."""
    if isinstance(home, Each):
        return home.element
    machine = site.machine
    return Lazy(lambda: machine.child(machine.first_list(home), "[{" + index.name + "}]", site.span))


def _enumerate(site: Site) -> Value | None:
    start = numeric(site.get(1, "start")) or ex.const(0)
    inner = site.args[0]
    if isinstance(inner, Each) and inner.index is not None and inner.index.name == "·":
        inner.index.iterates, inner.index.start = "count", start
        return Each(Seq([Cell(ex.sym(inner.index), scalar=True), inner.element]), inner.index)
    counts = not place_of(inner).endswith(_PARAMETERS)
    index = Symbol("·", kind="index", iterates="count" if counts else "key", start=start)
    return Each(Seq([Cell(ex.sym(index), scalar=True), _keyed(site, inner, index)]), index)


# what a framework keeps parameters in: the number of one of them is none of a step
_PARAMETERS = (".param_groups", "['params']", ".parameters()", ".trainable_variables")


def _zip(site: Site) -> Value | None:
    known = next((n for v in site.args if (n := numbers_of(v)) is not None), None)
    if known is not None and not any(isinstance(v, (Each, Seq)) for v in site.args):
        machine = site.machine
        rows = ([machine.child(v, f"[{i}]", site.span) for v in site.args] for i in range(len(known)))
        return Seq([Seq(row) for row in rows])  # ``zip(self.powers, self.betas)``
    index = _anonymous()
    for value in site.args:
        if isinstance(value, Each) and value.index is not None:
            index = value.index
    return Each(Seq([_keyed(site, v, index) for v in site.args]), index)


def _literal_items(home: Value | None) -> list[tuple[str, Value]] | None:
    """The entries of a short literal dictionary, or None."""
    if not isinstance(home, Cell) or not home.growing or not 0 < len(home.items) <= 6:
        return None
    if any(not k.startswith("['") or "{" in k for k in home.items):
        return None
    return [(k[2:-2], v) for k, v in home.items.items()]


def _items(site: Site) -> Value | None:
    home = site.receiver
    assert home is not None
    if isinstance(home, Lib):
        return None
    known = _literal_items(home)
    if known is not None:
        return Seq([Seq([Const(k), v]) for k, v in known])
    index = _anonymous()
    return Each(Seq([Cell(ex.sym(index), scalar=True), _keyed(site, home, index)]), index)


def _keys(site: Site) -> Value | None:
    known = _literal_items(site.receiver)
    if known is not None:
        return Seq([Const(k) for k, _ in known])
    index = _anonymous()
    return Each(Cell(ex.sym(index), scalar=True), index, site.receiver)


def _values(site: Site) -> Value | None:
    index = _anonymous()
    assert site.receiver is not None
    return Each(_keyed(site, site.receiver, index), index)


def _first(method: Handler) -> Handler:
    """``six.iteritems(d)``: a method as a function of its object."""

    def handler(site: Site) -> Value | None:
        if not site.args:
            return None
        return method(Site(site.machine, site.args[1:], site.kwargs, site.span, site.text, site.args[0]))

    return handler


def _same_elements(site: Site) -> Value | None:
    return site.args[0] if site.args else None


def _filter(site: Site) -> Value | None:
    """``filter(f, parameters)``: what is left are elements like any other; which of a few known ones are is unknown."""
    if len(site.args) != 2 or isinstance(site.args[1], Seq):
        return None
    return site.args[1]


def _list(site: Site) -> Value | None:
    if not site.args:
        return Cell(growing=True)
    value = site.args[0]
    if isinstance(value, Each) and is_filled(value.element):  # each has its own array, which one stands for
        return Cell(None, {ANY: value.element}, growing=True)
    if isinstance(value, Cell) and value.growing:
        return Cell(None, dict(value.items), growing=True)
    return value


def _dict(site: Site) -> Value | None:
    if site.args:
        return _list(site)
    cell = Cell(growing=True)
    cell.items = {f"[{k!r}]": v for k, v in site.kwargs.items()}
    return cell


def _defaultdict(site: Site) -> Value | None:
    cell = Cell(growing=True)
    factory = site.args[0] if site.args else None
    if factory is not None:
        cell.factory = lambda key: site.machine.call(factory, [], {}, site.span, "factory")
    return cell


def _field(site: Site) -> Value | None:
    """``field(default=0.9)``, ``field(default_factory=dict)``; one that ``__post_init__`` fills is empty before."""
    factory = site.kwargs.get("default_factory")
    if factory is not None:
        return site.machine.call(factory, [], {}, site.span, "default_factory")
    return site.kwargs.get("default", Const(None))


def _map(site: Site) -> Value | None:
    if len(site.args) < 2:
        return None
    index = _anonymous()
    elements = [_keyed(site, v, index) for v in site.args[1:]]
    machine, func = site.machine, site.args[0]
    return Each(Lazy(lambda: machine.call(func, [machine.forced(e) for e in elements], {}, site.span, "map")), index)


def _len(site: Site) -> Value | None:
    value = site.args[0] if site.args else None
    if isinstance(value, Seq):
        return Const(len(value.elements), site.span)
    if value is None:
        return None
    return Cell(ex.opaque(f"len {place_of(value)}", (), site.span), scalar=True)


def _str(site: Site) -> Value | None:
    return Const(site.machine.text(site.args[0]), site.span) if site.args else Const("")


def _format(site: Site) -> Value | None:
    if not (isinstance(site.receiver, Const) and isinstance(site.receiver.value, str)):
        return None
    text = site.receiver.value
    for number, value in enumerate(site.args):
        shown = site.machine.text(value)
        text = text.replace("{}", shown, 1) if "{}" in text else text.replace(f"{{{number}}}", shown)
    return Const(text, site.span)


def _hasattr(site: Site) -> Value | None:
    if len(site.args) < 2 or not isinstance(site.args[1], Const):
        return None
    home, name = site.machine.fields_of(site.args[0]), str(site.args[1].value)
    if isinstance(home, Cell) and attribute(name) in home.items and home.items[attribute(name)] is not None:
        inner = home.items[attribute(name)]
        if not (isinstance(inner, Cell) and inner.open):
            return Const(True, site.span)
    place = place_of(home)
    return Cell(ex.opaque(f"hasattr {place}.{name}", (), site.span), scalar=True)


def _attribute(site: Site) -> str:
    """The attribute that the second argument names, also where a caller or a loop knows which one that is."""
    name = site.args[1]
    return attribute(str(name.value) if isinstance(name, Const) else site.machine.key(name))


def _getattr(site: Site) -> Value | None:
    if len(site.args) < 2:
        return None
    return with_default(site, site.args[0], _attribute(site), site.get(2))


def _setattr(site: Site) -> Value | None:
    if len(site.args) == 3 and isinstance(site.args[0], Cell):
        site.machine.store.put(site.args[0], _attribute(site), site.args[2], site.span)
        return Const(None)
    return None


def _input(site: Site) -> Value | None:
    """Each question has an answer of its own, whatever else is asked."""
    place = f"input:{site.span.line}" if site.span is not None else "input"
    return Cell(ex.sym(site.machine.answers.setdefault(place, Symbol("input", external=True))), open=True, scalar=True)


def _get(site: Site) -> Value | None:
    if site.receiver is None or not site.args or not isinstance(site.receiver, Cell):
        return None
    return with_default(site, site.receiver, item(site.machine.key(site.args[0])), site.get(1, "default"))


def _locals(site: Site) -> Value | None:
    return Cell(growing=True, items={f"[{k!r}]": v for k, v in site.machine.scope.vars.items()})


def _setdefault(site: Site) -> Value | None:
    if not isinstance(site.receiver, Cell) or not site.args:
        return None
    return with_default(site, site.receiver, item(site.machine.key(site.args[0])), site.get(1, "default"))


def _append(site: Site) -> Value | None:
    if isinstance(site.receiver, Cell) and site.args:
        for key in site.machine.next_of(site.receiver):
            site.machine.store.put(site.receiver, key, site.args[0], site.span)
        return Const(None)
    return None


def _pop(site: Site) -> Value | None:
    if isinstance(site.receiver, Cell) and site.args:
        return _get(site)
    return None


def _dict_update(site: Site) -> Value | None:
    """``d.update(other)`` on a dictionary that the code fills; ``self.__dict__.update(locals())``."""
    if isinstance(site.receiver, Fields) and site.args and isinstance(site.args[0], Cell):
        for key, inner in site.args[0].items.items():
            if key.startswith("['") and inner is not site.receiver.home:
                site.machine.store.put(site.receiver.home, attribute(key[2:-2]), inner, site.span)
        return Const(None)
    if not isinstance(site.receiver, Cell):
        return None
    done = False
    for value in site.args:
        if isinstance(value, Cell) and value.growing:
            for key, inner in value.items.items():
                site.machine.store.put(site.receiver, key, inner, site.span)
            done = True
    for name, value in site.kwargs.items():
        site.machine.store.put(site.receiver, f"[{name!r}]", value, site.span)
        done = True
    return Const(None) if done else None


def _super(site: Site) -> Value | None:
    machine = site.machine
    receiver: Value | None = None
    klass: Value | None = None
    if len(site.args) == 2:
        klass, receiver = site.args
    else:
        names = list(machine.scope.vars)
        receiver = machine.scope.vars.get("self") or (machine.scope.vars[names[0]] if names else None)
        klass = machine.current_class()
    if isinstance(receiver, Cell) and isinstance(klass, Klass):
        return Super(receiver, klass)
    return None


def _number(site: Site) -> Value | None:
    """``float(x)``, ``int(t)``: a number of the same value (state and counters are not truncated)."""
    value = copy(site)
    if isinstance(value, Cell):
        value.scalar, value.array = True, False
    return value if value is None or numeric(value) is not None else None


def _id(site: Site) -> Value | None:
    return Const(f"{{id({place_of(site.args[0])})}}", site.span) if site.args else None


def _maximum(name: str) -> Handler:
    def handler(site: Site) -> Value | None:
        if len(site.args) == 2 and all(numeric(a) is not None for a in site.args):
            return elementwise(name, 2)(site)
        return _of_a_group(site.args[0]) if len(site.args) == 1 else None

    return handler


def _of_a_group(values: Value) -> Value | None:
    """The one of ``group["lr"] for group in self.param_groups``, as a group stands for all of them."""
    items = values.items if isinstance(values, Cell) and values.growing else {}
    one = values.element if isinstance(values, Each) else items.get(ANY) if len(items) == 1 else None
    expr = numeric(one) if one is not None else None
    if expr is None or expr.op != "sym" or expr.symbol.array:
        return None
    home, among, key = expr.symbol.name.partition(_PARAMETERS[0] + "[")
    return one if "[" not in home and key.count("[") == bool(among) else None  # without a place among them: a default


def _none(site: Site) -> Value | None:
    return Const(None)


def _isinstance(site: Site) -> Value | None:
    kind = ", ".join(place_of(a) for a in site.args[1:])
    value = site.args[0] if site.args else None
    if kind in (
        "torch.Tensor",
        "tf.Tensor",
        "tensorflow.Tensor",
    ):  # asked of what may be a plain number, and usually is
        return Const(isinstance(value, Cell) and value.array, site.span)
    return Cell(ex.opaque(f"isinstance {place_of(site.args[0])} {kind}", (), site.span), scalar=True)


def _partial(site: Site) -> Value | None:
    func = site.args[0] if site.args else None
    if isinstance(func, Func):
        made = Func(func.name, func.node, func.scope, func.receiver, func.klass, func.unit, {**func.defaults})
        made.defaults.update(site.kwargs)
        return made if len(site.args) == 1 else None
    return None


def _deepcopy(site: Site) -> Value | None:
    """New arrays of the same content, also inside of a list or dictionary that the code has filled."""
    return copy(site) if not site.args or numeric(site.args[0]) is not None else _apart(site.args[0])


def _apart(value: Value) -> Value:
    if isinstance(value, Seq):
        return Seq([_apart(v) for v in value.elements])
    if not isinstance(value, Cell) or value.klass is not None or (value.expr is None and not value.growing):
        return value
    items = {key: _apart(inner) for key, inner in value.items.items()}
    return replace(value, items=items, place="", exact=False, open=False)


NAMES: dict[str, Handler] = {
    f"builtins.{name}": handler
    for name, handler in {
        "range": _range, "xrange": _range, "enumerate": _enumerate, "zip": _zip, "len": _len, "str": _str,
        "list": _list, "tuple": _list, "dict": _dict, "sorted": _same_elements, "reversed": _same_elements,
        "iter": _same_elements, "filter": _filter, "tqdm": _same_elements, "trange": _range, "map": _map,
        "hasattr": _hasattr, "getattr": _getattr, "setattr": _setattr, "super": _super, "float": _number,
        "int": _number, "id": _id, "abs": elementwise("abs", 1), "pow": elementwise("pow", 2), "max": _maximum("max"),
        "min": _maximum("min"),
        "print": _none, "isinstance": _isinstance, "sqrt": elementwise("sqrt", 1), "defaultdict": _defaultdict,
        "locals": _locals, "vars": _locals, "input": _input,
    }.items()
} | {
    "collections.defaultdict": _defaultdict,
    "collections.OrderedDict": _dict,
    "tqdm.tqdm": _same_elements,
    "tqdm.trange": _range,
    "tqdm.notebook.tqdm": _same_elements,
    "copy.deepcopy": _deepcopy,
    "copy.copy": copy,
    "dataclasses.field": _field,
    "functools.partial": _partial,
    "itertools.count": _range,
    "itertools.izip": _zip,
    "itertools.imap": _map,
    "six.iteritems": _first(_items),
    "six.iterkeys": _first(_keys),
    "six.itervalues": _first(_values),
}  # fmt: skip

METHODS: dict[str, Handler] = {
    "items": _items,
    "iteritems": _items,
    "keys": _keys,
    "values": _values,
    "get": _get,
    "setdefault": _setdefault,
    "append": _append,
    "pop": _pop,
    "format": _format,
    "update": _dict_update,
}
