"""A list of whole numbers as an argument."""

import click


class Counts(click.ParamType[tuple[int, ...]]):
    """Numbers of at least 1, separated by commas, such as 1,8,32."""

    name = "n,n,..."

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            counts = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            counts = ()
        if not counts or min(counts) < 1:
            self.fail(f"{value!r} is not a list of numbers such as 1,8,32", param, ctx)
        return counts
