"""A group of commands, which says in one line what is wrong with the choice of one."""

import click

__all__ = ["OneLineGroup"]


class OneLineGroup(click.Group):
    """A group that is told which of its commands is meant, or says which there are."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse no command at all."""
        if not args and not ctx.resilient_parsing:
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"which command? Known are {known}: see '{ctx.command_path} --help'", ctx)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; of one that is not known, say which may be meant."""
        known = self.list_commands(ctx)
        if args[0] in known or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        import difflib  # on this way alone

        close = difflib.get_close_matches(args[0], known, 1)
        hint = f"did you mean '{ctx.command_path} {close[0]}'?" if close else f"known are {', '.join(known)}"
        raise click.UsageError(f"unknown command {args[0][:60]!r}: {hint}", ctx)
