"""Bytes and FLOPs of a compiled program, loops counted as often as they run.

XLA's own count takes the body of a loop once. Each body is therefore counted as a program of its
own, and weighted by the trip count that XLA has written beside the loop. Products that the program
leaves to a library, for which XLA counts nothing, are counted by their shapes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax

_NOTES = re.compile(r", metadata=\{[^{}]*\}")
_HEAD = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{\s*$")
_NAME = re.compile(r"^\s*(?:ROOT )?%?([\w.\-]+) = (.*)$")
_CALLED = re.compile(
    r"(?:calls|to_apply|body|condition|branch_computations|called_computations|"
    r"true_computation|false_computation)=(\{[^}]*\}|%?[\w.\-]+)"
)
_WHILE = re.compile(r" while\(.*body=%?([\w.\-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_ARRAY = re.compile(r"\b([a-z]+)(\d+)?\w*\[([\d,]*)\]")
_CONTRACTED = re.compile(r'"lhs_contracting_dimensions":\[([^\]]*)\]')


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a call of a program takes."""

    flops: float  # operations, of which a product and a sum are two
    bytes: float  # read and written, between the operations that XLA has fused
    unknown: int = 0  # loops whose trip count is not known, counted once

    def plus(self, other: Cost, times: int = 1) -> Cost:
        """Return the cost with another's so many times."""
        return Cost(
            flops=self.flops + times * other.flops,
            bytes=self.bytes + times * other.bytes,
            unknown=self.unknown + other.unknown,
        )


def cost_of(compiled: Any) -> Cost | None:
    """Return what a call of a compiled program takes; None where it cannot be counted."""
    try:
        from jaxlib._hlo import hlo_module_from_text
        from jaxlib._jax import hlo_module_cost_analysis
    except ImportError:
        return None
    # Plugins of accelerators do not count; the processor's client counts any program, by its text.
    try:
        client = jax.devices("cpu")[0].client
    except RuntimeError:  # JAX_PLATFORMS leaves the processor out
        return None

    def once(text: str) -> Cost:
        found = hlo_module_cost_analysis(client, hlo_module_from_text(text))
        # What XLA cannot count is below 0.
        flops, moved = (max(float(found.get(k, 0.0)), 0.0) for k in ("flops", "bytes accessed"))
        return Cost(flops=flops, bytes=moved)

    program = Program.of(_NOTES.sub("", compiled.as_text()))
    try:
        return program.cost(program.entry, once)
    except (RuntimeError, ValueError) as error:  # a text that XLA does not read again
        print(f"bytes and FLOPs are not counted: {str(error).splitlines()[0]}")
        return None


@dataclass(frozen=True)
class Program:
    """The computations of a compiled program, by name."""

    entry: str
    computations: Mapping[str, tuple[str, ...]]  # lines, the first of which names it

    @classmethod
    def of(cls, text: str) -> Program:
        """Read XLA's text."""
        found: dict[str, tuple[str, ...]] = {}
        lines: list[str] = []
        entry = name = ""
        for line in text.splitlines():
            head = _HEAD.match(line)
            if head:
                name, lines = head[1], []
                entry = name if line.startswith("ENTRY") else entry
            if name:
                lines.append(line)
            if line.startswith("}"):
                found[name], name = tuple(lines), ""
        return cls(entry=entry, computations=found)

    @cached_property
    def called(self) -> dict[str, set[str]]:
        """Return what each computation calls, but for the bodies of loops."""
        calls: dict[str, set[str]] = {}
        for name, lines in self.computations.items():
            bodies = {body for body, _ in self.loops(name)}
            said = " ".join(text for line in lines for text in _CALLED.findall(line))
            calls[name] = set(re.findall(r"[\w.\-]+", said)) & self.computations.keys() - bodies
        return calls

    def loops(self, name: str) -> list[tuple[str, int | None]]:
        """Return the body and the trip count of each loop in a computation."""
        found = []
        for line in self.computations[name]:
            loop, trips = _WHILE.search(line), _TRIPS.search(line)
            if loop:
                found.append((loop[1], int(trips[1]) if trips else None))
        return found

    def reached(self, name: str, *, bodies: bool) -> list[str]:
        """Return a computation and all that it leads to, in the order of the text."""
        seen, left = set(), [name]
        while left:
            at = left.pop()
            if at not in seen:
                seen.add(at)
                left += self.called[at]
                left += [body for body, _ in self.loops(at)] if bodies else []
        return [at for at in self.computations if at in seen]

    def rooted(self, name: str) -> str:
        """Return the text of a program that begins with one of the computations."""
        parts = ["HloModule part"]
        for at in self.reached(name, bodies=True):
            head, *rest = self.computations[at]
            head = head.removeprefix("ENTRY ")
            parts.append("\n".join([f"ENTRY {head}" if at == name else head, *rest]))
        return "\n\n".join(parts) + "\n"

    def cost(self, name: str, once: Any) -> Cost:
        """Return the cost of a computation, given what counts a program's bodies once each."""
        total: Cost = once(self.rooted(name))
        for at in self.reached(name, bodies=False):
            total = total.plus(_library(self.computations[at]))
            for body, trips in self.loops(at):
                taken: Cost = once(self.rooted(body))
                total = total.plus(taken, -1)
                total = total.plus(self.cost(body, once), 1 if trips is None else trips)
                total = total.plus(Cost(flops=0.0, bytes=0.0, unknown=int(trips is None)))
        return total


def _library(lines: tuple[str, ...]) -> Cost:
    """Return the cost of the products that are left to a library: ``C = A B``, by their shapes."""
    shapes, total = {}, Cost(flops=0.0, bytes=0.0)
    for line in lines[1:]:
        named = _NAME.match(line)
        if not named:
            continue
        name, rest = named[1], named[2]
        shapes[name] = _ARRAY.findall(rest.split(" = ")[0].split("(%")[0])
        if 'custom_call_target="__cublas$' not in rest:
            continue
        given = re.findall(r"%([\w.\-]+)", rest.partition("custom-call(")[2].partition(")")[0])
        # The first result is the product; the others are room to work in.
        arrays = [shapes[name][0], *(shapes[x][0] for x in given if shapes.get(x))]
        contracted = _CONTRACTED.search(rest)
        axes = re.findall(r"\d+", contracted[1]) if contracted else []
        inner = math.prod(_dims(arrays[1])[int(axis)] for axis in axes) if len(arrays) > 1 else 0
        total = total.plus(
            Cost(
                flops=2.0 * inner * math.prod(_dims(arrays[0])),
                bytes=float(sum(_bytes(array) for array in arrays)),
            )
        )
    return total


def _dims(array: tuple[str, str, str]) -> list[int]:
    return [int(size) for size in array[2].split(",") if size]


def _bytes(array: tuple[str, str, str]) -> float:
    kind, bits, _ = array
    return math.prod(_dims(array)) * (int(bits) / 8 if bits else 1 if kind == "pred" else 4)
