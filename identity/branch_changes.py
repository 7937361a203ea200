"""What a newer branch changes, counted: what the operator is shown before or after it is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identity.branch import Branch

#: Of each thing, by its id: its name, and what else is said of it.
_Facts = Mapping[str, tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Changed:
    """How many things of one kind came, went, took another name, or else changed (a title, a unit, a right)."""

    what: str
    added: int
    removed: int
    renamed: int
    altered: int


def changes(before: Branch | None, after: Branch) -> tuple[Changed, ...]:
    """Count the changes from one branch of an organisation to its next; None where there was none."""
    old, new = {} if before is None else _facts(before), _facts(after)
    return tuple(_counted(what, old.get(what, {}), things) for what, things in new.items())


def _counted(what: str, old: _Facts, new: _Facts) -> Changed:
    both = [(old[id_], new[id_]) for id_ in new if id_ in old]
    return Changed(
        what,
        added=len(new) - len(both),
        removed=len(old) - len(both),
        renamed=sum(left[0] != right[0] for left, right in both),
        altered=sum(left[1] != right[1] for left, right in both),
    )


def _facts(branch: Branch) -> dict[str, _Facts]:
    held = [(member.id, one) for member in branch.staff for one in member.commissions]
    return {
        "authority": {branch.authority.id: (branch.authority.name, branch.authority.kind)},
        "providers": {one.id: (one.name, one.kind) for one in branch.providers},
        "units": {one.id: (one.name, one.provider.id) for one in branch.units},
        "staff": {one.id: (one.name, (one.title, one.licence)) for one in branch.staff},
        "commissions": {one.id: (one.name, (who, one.purpose, one.right, one.unit.id)) for who, one in held},
        "clients": {one.id: (one.name, (one.provider.id, one.categories)) for one in branch.clients},
    }
