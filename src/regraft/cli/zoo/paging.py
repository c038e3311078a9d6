"""`regraft zoo page`: the catalogue as a page for a browser."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regraft.cli import arguments as words
from regraft.cli import framework
from regraft.cli.text import counted

if TYPE_CHECKING:
    from regraft.core.exhibit import Exhibition

RESULT = "Page"
SUMMARY = "write the catalogue as a page: filter, sort, compare, who was made of whom, what is near to your data"
EXAMPLE = """
regraft zoo page
regraft zoo page --data photographs --out nearest.html
"""


@dataclass(frozen=True, slots=True)
class Page:
    """The file of the page, and what it shows."""

    page: str
    shows: "Exhibition"


def add(parser: argparse.ArgumentParser) -> None:
    """The words that `zoo page` understands."""
    parser.add_argument("--out", metavar="FILE", default="zoo.html", help="of the page (zoo.html)")
    parser.add_argument(
        "--data", metavar="DATA", help="labelled examples; the page says how near each model is to them"
    )
    parser.add_argument(
        "--no-try", action="store_true", help="do not run the models on the data; go by their cards only"
    )
    parser.add_argument("--time-budget", metavar="TIME", type=words.duration, help="for running them, such as 10m")
    words.cache_argument(parser)
    words.zoo_argument(parser)


def run(arguments: argparse.Namespace) -> Page:
    """Do it."""
    if arguments.data is not None:
        framework.load()
    # Here, because this needs more than the help does.
    from regraft.recipes.cataloguing.exhibiting import write_page

    path, shown = write_page(
        arguments.out,
        arguments.data,
        zoo=arguments.zoo,
        tried=not arguments.no_try,
        time_budget=arguments.time_budget,
        cache=arguments.cache,
    )
    return Page(str(path), shown)


def show(result: Page) -> str:
    """For people."""
    lines = [f"{counted(len(result.shows.exhibits), 'model')} of {result.shows.catalogue} in {result.page}"]
    scored = [(kin.score.value, each) for each in result.shows.exhibits if (kin := each.kinship) and kin.score]
    for value, each in sorted(scored, key=lambda item: -item[0])[:3]:
        lines.append(f"  {each.address} would do about {100 * value:.1f}% right, by a quick look")
    return "\n".join(lines)
