"""Which policies of a validation did the same: two names of one behaviour are one policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from draingym.policies.validation.agreement import Agreement, agreement
from draingym.policies.validation.validate import Validation


def twins(validation: Validation) -> Mapping[str, str]:
    """Return the policies that did what an earlier one did, by name, each with the earlier one.

    Two policies are the same here where their rewards are equal in every column, replication,
    product and period: draws are common, so that the same requests give the same numbers to the
    bit. Covers that place nothing where no node feeds another are an example.

    Args:
        validation: What ``validate`` returned.
    """
    first: dict[bytes, str] = {}
    found: dict[str, str] = {}
    for k, name in enumerate(validation.names):
        did = validation.rewards[k].tobytes()
        if did in first:
            found[name] = first[did]
        else:
            first[did] = name
    return found


def agreement_of_distinct(
    validation: Validation, column: str, reference: str, same: Mapping[str, str]
) -> Agreement:
    """Compare two columns over distinct policies; see ``agreement``.

    Means, ranks and regrets count each behaviour once. Errors and tails are there for all names.

    Args:
        validation: What ``validate`` returned.
        column: What promises.
        reference: What is taken for right.
        same: What ``twins`` returned for it.
    """
    if not same:
        return agreement(validation, column, reference)
    alone = [name for name in validation.names if name not in same]
    found = agreement(validation.select(alone), column, reference)
    return replace(
        found,
        error={name: found.error[same.get(name, name)] for name in validation.names},
        tail={name: found.tail[same.get(name, name)] for name in validation.names},
    )


def twin_note(validation: Validation, same: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a report must say of policies that did the same: nothing where none did."""
    if not same:
        return ()
    named = [f"{name!r} what {other!r} did" for name, other in list(same.items())[:3]]
    more = f", and {len(same) - 3} more" if len(same) > 3 else ""
    total = len(validation.names)
    return (
        f"{total - len(same)} of the {total} policies differ in what they did, and count: "
        f"{', '.join(named)}{more}.",
    )
