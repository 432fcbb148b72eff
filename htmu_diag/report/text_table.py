"""A table of text, made once and written in three ways: fixed width, Markdown, and drawn on a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rich.box import HEAVY_HEAD, SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from htmu_diag.analysis.words import NO_VALUE

__all__ = ["TextTable"]

_GAP, _EDGES = 3, 2  # blanks between columns, and beside the table
_NAME_SHARE, _MOST = 0.4, 0.6  # of the width for the first column, where its cells are that long


@dataclass(frozen=True)
class TextTable:
    """headings: (columns,); rows: of as many cells. left: places of the columns that are aligned to the left."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: frozenset[int] = frozenset()

    @classmethod
    def of(cls, headings: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = ()) -> TextTable:
        """From any sequences."""
        return cls(tuple(headings), tuple(map(tuple, rows)), frozenset(left))

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Of the widest cell of each column, its heading included."""
        return tuple(max(map(len, cells)) for cells in zip(self.headings, *self.rows, strict=True))

    @property
    def plain_width(self) -> int:
        """Of the longest line that `plain` gives."""
        return sum(self.widths) + 2 * (len(self.widths) - 1)

    def plain(self) -> str:
        """In fixed width, two blanks between columns."""
        return "\n".join("  ".join(self._aligned(row)).rstrip() for row in (self.headings, *self.rows))

    def markdown(self, *, padded: bool = False) -> str:
        """In Markdown, cells as they are. padded: readable as it stands, too."""
        lengths = self.widths if padded else [3 if i in self.left else 4 for i in self._all]
        rule = ["-" * n if i in self.left else f"{'-' * max(n - 1, 1)}:" for i, n in enumerate(lengths)]
        lines = (self.headings, rule, *self.rows)
        return "\n".join(f"| {' | '.join(self._aligned(line) if padded else line)} |" for line in lines)

    def drawn(self, title: str | None = None, *, compact: bool = False) -> Table:
        """For a rich console. compact: without lines between columns. Cells and title are no markup."""
        table = Table(
            title=escape(title) if title else None,
            header_style="bold",
            box=SIMPLE_HEAD if compact else HEAVY_HEAD,
            title_justify="left" if compact else "center",
        )
        for place, heading in enumerate(self.headings):
            table.add_column(Text(heading), justify="left" if place in self.left else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def narrowed(self, width: int, first: Sequence[str] = ()) -> tuple[TextTable, list[str]]:
        """Drawn compactly, at most this wide; and the headings that did not fit, but for columns without any value.

        The first column always stays, with the ends of its long cells; of the others those in ``first`` come first.
        """
        names = _short([row[0] for row in self.rows], width)
        short = replace(self, rows=tuple((name, *row[1:]) for name, row in zip(names, self.rows, strict=True)))
        told = [i for i in self._all[1:] if any(row[i] != NO_VALUE for row in self.rows)]
        shown = short._fitting(told, first, width - short.widths[0] - _GAP - _EDGES)
        return short._only([0, *shown]), [self.headings[i] for i in told if i not in shown]

    def split(self, width: int, fixed: Collection[str]) -> Iterator[TextTable]:
        """As many tables as it takes, each drawn at most this wide; the fixed columns are in each, the others once."""
        kept = [i for i in self._all if self.headings[i] in fixed]
        start = sum(self.widths[i] + _GAP for i in kept) + 1
        group, used = list[int](), start
        for place in [i for i in self._all if i not in kept]:
            if group and used + self.widths[place] + _GAP > width:
                yield self._only([*kept, *group])
                group, used = [], start
            group.append(place)
            used += self.widths[place] + _GAP
        yield self._only([*kept, *group])

    @property
    def _all(self) -> range:
        return range(len(self.headings))

    def _aligned(self, row: Sequence[str]) -> list[str]:
        cells = enumerate(zip(row, self.widths, strict=True))
        return [cell.ljust(width) if i in self.left else cell.rjust(width) for i, (cell, width) in cells]

    def _only(self, places: Sequence[int]) -> TextTable:
        rows = tuple(tuple(row[i] for i in places) for row in self.rows)
        left = frozenset(new for new, old in enumerate(places) if old in self.left)
        return TextTable(tuple(self.headings[i] for i in places), rows, left)

    def _fitting(self, told: Sequence[int], first: Sequence[str], room: int) -> list[int]:
        """The most telling columns that fit, in the order of the table."""
        rank = {heading: place for place, heading in enumerate(first)}
        shown: list[int] = []
        for place in sorted(told, key=lambda i: rank.get(self.headings[i], len(rank))):
            needed = _GAP + self.widths[place]
            if needed <= room:
                shown.append(place)
                room -= needed
        return sorted(shown)


def _short(names: Sequence[str], width: int) -> list[str]:
    """The ends of long names, where layers differ; longer ones where they would be the same."""
    if max(map(len, names), default=0) > _NAME_SHARE * width:
        names = [name.removesuffix(".weight") for name in names]
    short = list(names)
    for room in range(max(int(_NAME_SHARE * width), 12), max(int(_MOST * width), 12) + 1):
        short = [name if len(name) <= room else f"...{name[3 - room :]}" for name in names]
        if len(set(short)) == len(set(names)):
            break
    return short
