"""A learning-rate range test as a page of its own, for one that is no part of a run."""

from regraft.core.found_rate import FoundRate
from regraft.report.page import environment
from regraft.report.plots.rates import figure, readings, written


def rate_page(found: FoundRate) -> str:
    """The plot of a range test as HTML that needs nothing but itself."""
    template = environment().get_template("rate.html")
    return template.render(
        found=found,
        suggested=written(found.suggested),
        drawn=figure(found),
        readings={name: written(rate) for name, rate in readings(found).items()},
    )
