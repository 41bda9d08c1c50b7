"""The JSON files that a run keeps for itself, read back without trust in what stands in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

_DEEPEST = 32
_LARGEST = 1 << 63

Form = Any
"""What a value has to be: a type or several, `[form]` for a list, names and forms for an object.

In an object a name that ends with `?` may be missing, and `...` stands for all names that are not
named. `object` is anything.
"""


def parse_state(data: bytes, form: Form) -> dict[str, Any]:
    """The object that a file holds.

    Raises:
        ValueError: If it is no JSON, of another form, or nothing that could be written again.
    """
    try:
        content = json.loads(data, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    check_form(content, form)
    return dict(content)


def check_form(value: Any, form: Form, where: str = "", deepest: int = _DEEPEST) -> None:
    """Raises `ValueError`, saying where, unless a value has a form."""
    if not deepest:
        raise ValueError("it is nested too deeply")
    if isinstance(form, Mapping) or (form is object and type(value) is dict):
        _check_object(value, form, where, deepest)
    elif isinstance(form, list) or (form is object and type(value) is list):
        _check_type(value, (list,), where)
        for number, item in enumerate(value):
            inner = form[0] if isinstance(form, list) else form
            check_form(item, inner, f"{where}[{number}]", deepest - 1)
    else:
        if form is not object:
            _check_type(value, form if isinstance(form, tuple) else (form,), where)
        if type(value) is str:
            value.encode()  # which half a character cannot
        if type(value) is int and abs(value) >= _LARGEST:
            raise ValueError(f"its {_shown(where)} is too large")


def _check_object(value: Any, form: Form, where: str, deepest: int) -> None:
    _check_type(value, (dict,), where)
    forms: Mapping[Any, Form] = form if isinstance(form, Mapping) else {}
    for name in forms:
        if name is not ... and name[-1] != "?" and name not in value:
            raise ValueError(f"it has no {_shown(f'{where}.{name}' if where else name)}")
    for name, item in value.items():
        name.encode()
        inner = forms.get(name, forms.get(f"{name}?", forms.get(..., object)))
        check_form(item, inner, f"{where}.{name}" if where else name, deepest - 1)


def _check_type(value: Any, types: tuple[type, ...], where: str) -> None:
    if type(value) not in types:
        accepted = " or ".join(one.__name__ for one in types)
        raise ValueError(f"its {_shown(where)} is {type(value).__name__}, not {accepted}")


def _shown(where: str) -> str:
    """A place in one line, as it may be damaged, too."""
    return where.encode("unicode_escape").decode()[:80] or "content"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
