"""`partlens bench`: the benchmarks of every part."""

from partlens.cli.commands import Commands
from partlens.cli.table import BENCH, COMMANDS

bench = Commands("bench", BENCH, help=COMMANDS["bench"].summary)
