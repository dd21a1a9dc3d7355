"""`top`."""

import logging

import typer

from idstatus.cli import options, output
from idstatus.cli.data import Format, say_data
from idstatus.cli.top import view
from idstatus.cli.top.board import Board, look
from idstatus.cli.top.feed import Feed
from idstatus.cli.top.screen import Screen, on_terminal
from idstatus.clients import Client


def top(
    ctx: typer.Context,
    *,
    queues: options.Queues = None,
    how: options.Output = Format.TABLE,
) -> None:
    """Show what runs, what waits and what went wrong, live; keys cancel, retry and pause.

    Without a terminal, or with -o json or yaml, it is printed once.
    """
    client: Client = ctx.obj()
    names = queues or ()
    if how is not Format.TABLE:
        say_data(look(client, names), how)
    elif not on_terminal():
        frame = look(client, names)
        output.stdout.print(view.panes(frame, dict.fromkeys(view.Pane, 1000)))
    else:
        logging.disable()  # what is said beside the screen would spoil it
        board = Board()
        feed = Feed(client, names, board)
        feed.start()
        Screen(client, board, feed).run()
        feed.stop()
