"""Numbers of clients, as an option of a benchmark."""

import click


class Counts(click.ParamType[tuple[int, ...]]):
    """Numbers from 1 on, separated by commas."""

    name = "n,n,..."

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """A text as numbers; click reports one that is not."""
        try:
            counts = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            counts = ()
        if not counts or min(counts) < 1:
            self.fail(f"{value!r} is not a list of numbers such as 1,8,32", param, ctx)
        return counts
