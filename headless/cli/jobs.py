"""``headless jobs``: look back at a server's jobs, and act on them, from any host."""

import click

from headless.cli.group import OneLineGroup
from headless.cli.jobs_act import attach, cancel, prune, rerun
from headless.cli.jobs_look import list_command, logs, show

__all__ = ["jobs"]


@click.group(
    cls=OneLineGroup,
    name="jobs",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda text: text.replace("_", "-"),
        "max_content_width": 120,
    },
)
def jobs() -> None:
    """Jobs of a server: who ran what, when, from where, how it ended, what it printed; and what can be done about it.

    Each command takes the launcher's options for the session, also from its variables and files. Without --service it
    asks the embedded server. Its owner sees all jobs, others see their own. ID is a job's id, or at least 6 characters
    of its beginning or end if no other of the last 1000 jobs has them.

    \b
    headless jobs list -s HOST:7443 -u batch --state failed --since 2d

    \b
    Exit status: 0 done, 1 the server cannot be reached, 2 unknown job or parameter, 5 not permitted;
    attach, and rerun with --timeout, end with what a launch that waits would.
    """


for _command in (list_command, show, logs, attach, cancel, rerun, prune):
    jobs.add_command(_command)
