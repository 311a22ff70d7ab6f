"""`sarkmock completion`, and the completions of names that click does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem, get_completion_class

SHELLS = ("bash", "zsh", "fish")
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and names in a shell.

    \b
    Examples:
        sarkmock completion bash > ~/.local/share/bash-completion/completions/sarkmock
        sarkmock completion zsh > "${fpath[1]}/_sarkmock"
        sarkmock completion fish > ~/.config/fish/completions/sarkmock.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    script = made(context.find_root().command, {}, "sarkmock", "_SARKMOCK_COMPLETE")
    click.echo(script.source_template % script.source_vars())  # `source()` would ask for the shell's own version


def names_or_file(names: Callable[[], Iterable[str]]) -> Completer:
    """Completes names, or else the path of a file."""
    def complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in names() if name.startswith(begun)]
        return found or [CompletionItem(begun, type="file")]
    return complete
