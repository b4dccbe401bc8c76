"""The options of ``headless inventory report``: one table for click, and for the reader of plain command lines."""

__all__ = ["OPTIONS", "Option", "read_quickly"]


class Option:
    """An option; a plain class, as this is imported by every report.

    Attributes:
        name: with its dashes, without the two before it.
        help: one line.
        metavar: what stands for its value in the help; empty for a flag.
        is_many: it may be given several times.
        is_number: its value is a number of seconds.
        choices: the values it takes; empty for any.
        is_quick: a command line of such options only can be run the quick way.
        without: characters that its value must not hold between its ends: those that asking takes for something else.
    """

    __slots__ = ("choices", "help", "is_many", "is_number", "is_quick", "metavar", "name", "without")

    def __init__(
        self,
        name: str,
        help: str,
        metavar: str = "",
        *,
        is_many: bool = False,
        is_number: bool = False,
        choices: tuple[str, ...] = (),
        is_quick: bool = False,
        without: str = "",
    ) -> None:
        self.name = name
        self.help = help
        self.metavar = metavar
        self.is_many = is_many
        self.is_number = is_number
        self.choices = choices
        self.is_quick = is_quick
        self.without = without

    @property
    def variable(self) -> str:
        """Its name as Python has it."""
        return self.name.replace("-", "_")

    def find_wrong(self, value: str) -> str:
        """The first character of a value that it must not hold; empty if there is none."""
        return next((letter for letter in " ".join(value.split()) if letter in self.without), "")


OPTIONS = (
    Option("site", "The site this host belongs to; nothing guesses it.", "NAME", is_quick=True, without="/#@"),
    Option("tag", "A group of hosts, within the site or across sites.", "NAME", is_quick=True),
    Option("host", "The host's name. [default: as hostname -f says it]", "NAME", is_quick=True, without="/#@ "),
    Option("to", "Send it there.", "URL"),
    Option("output", "Write it there; -: standard output. [default: that, without --to]", "FILE", is_quick=True),
    Option("format", "text, json or cyclonedx. [default: text]", "NAME", choices=("text", "json", "cyclonedx")),
    Option("plain", "Just what pakiti-client 3 would write and send.", is_quick=True),
    Option("encrypt", "Seal it for the holder of this certificate.", "CERT", is_many=True, is_quick=True),
    Option("sign", "Sign it with this key, before it is sealed.", "KEY"),
    Option("sign-certificate", "The key's certificate. [default: in the key's file]", "CERT"),
    Option("input", "Send this report, and gather nothing; -: standard input.", "FILE"),
    Option("root", "Look at the system in this folder: a container, a chroot, an image.", "FOLDER", is_quick=True),
    Option("python-path", "Look for Python packages there too.", "FOLDER", is_many=True, is_quick=True),
    Option("interval", "Report that the next one comes after so long.", "SECONDS", is_number=True, is_quick=True),
    Option("config", "Options from a file, as of pakiti-client: NAME = VALUE.", "FILE"),
    Option("spool", "Keep there what cannot be sent; without --to, keep it for a relay.", "FOLDER"),
    Option("retry-for", "Try to send for so long. [default: 300]", "SECONDS", is_number=True),
    Option("timeout", "Wait so long for each answer. [default: 30]", "SECONDS", is_number=True),
    Option("splay", "Wait up to so long before all, by chance.", "SECONDS", is_number=True),
    Option("token-file", "Send the token in this file along.", "FILE"),
    Option("ca-file", "Trust a collector by these authorities. [default: the system's]", "FILE"),
    Option("certificate", "Show this certificate to the collector.", "FILE"),
    Option("key", "Its key. [default: in the certificate's file]", "FILE"),
    Option("expect", "Count it as sent only if the answer ends so.", "TEXT"),
    Option("cron", "Print a file for /etc/cron.d that makes this report each day; send nothing."),
    Option("systemd", "Print a systemd service and its timer for it; send nothing."),
    Option("user", "The user of --cron and --systemd. [default: this one; nobody for root]", "NAME"),
    Option("mailto", "Who gets what cron's line prints. [default: root]", "ADDRESS"),
)


def read_quickly(words: list[str]) -> dict[str, str | list[str]] | None:
    """Read a plain command line; ``None`` if it is not plain: then click reads it, and says what is wrong with it."""
    known = {"--" + option.name: option for option in OPTIONS if option.is_quick}
    values: dict[str, str | list[str]] = {}
    rest = iter(words)
    for word in rest:
        name, sign, value = word.partition("=")
        option = known.get(name)
        if option is None or (sign and not option.metavar):
            return None
        if option.metavar and not sign:
            value = next(rest, "")
        if option.metavar and (not value or (not sign and value[:1] == "-" and value != "-")):
            return None
        if option.is_number and not (value.isascii() and value.isdigit() and len(value) < 10):
            return None
        if option.find_wrong(value):
            return None
        if option.is_many:
            listed = values.setdefault(option.variable, [])
            assert isinstance(listed, list)  # noqa: S101  # its own list, for mypy
            listed.append(value)
        elif option.variable in values:
            return None
        else:
            values[option.variable] = value or "yes"
    return values
