"""What all commands share: where the home is, how to open it, and whether to speak JSON.

Opening is lazy, so that help and argument errors cost nothing. Formatting is in `output.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from imbalance.config import Config
    from imbalance.store.home import Home
    from imbalance.store.store import Store


@dataclass(frozen=True)
class Application:
    """Settings of one call of `imbalance`.

    Parameters
    ----------
    home_given : directory of the home as it was named; need not exist.
    config_path : settings file, or None for the defaults.
    json : answer with one JSON document on standard output.
    """

    home_given: Path
    config_path: Path | None
    json: bool

    @cached_property
    def home_path(self) -> Path:
        """The directory of the home, whole."""
        from imbalance.store.home import directory_of

        return directory_of(self.home_given)

    @cached_property
    def config(self) -> Config:
        """The validated settings."""
        from imbalance.config_file import load_config

        config = load_config(self.config_path)
        if config.formats:
            from imbalance.captures.mapping import mappings

            mappings(config.formats)
        if config.studies.families:
            from imbalance.studies.families import declare

            declare(config.studies)
        return config

    def home(self, *, create: bool = False) -> Home:
        """The home; `create` makes it when there is none.

        Raises
        ------
        UserError
            When the directory is no home and `create` is false.
        """
        from imbalance.store.home import Home

        return Home.open(self.home_path, create=create)

    def store(self, *, create: bool = False) -> Store:
        """The store over the home, with the settings."""
        from imbalance.store.store import Store

        config = self.config
        return Store(self.home(create=create), config)


class CapturePath(click.Path):
    """A capture file or directory. An empty text names none: as a path it would be the working
    directory, and a variable of a script that is not set would register all that is there.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """The path; refuses an empty one."""
        if value == "":
            self.fail("an empty path; '.' is the working directory", param, ctx)
        return super().convert(value, param, ctx)


class AppCommand(click.Command):
    """A command that also takes `--json` after its own name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(["--json", "as_json"], is_flag=True,
                         help="One JSON document instead of text.")
        )


def subcommand(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A click command whose first argument is the `Application`."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @click.pass_context
        @wraps(function)
        def call(ctx: click.Context, /, *args: Any, **kwargs: Any) -> Any:
            application: Application = ctx.obj
            if kwargs.pop("as_json"):
                application = replace(application, json=True)
            return function(application, *args, **kwargs)

        return click.command(name, cls=AppCommand)(call)

    return decorate
