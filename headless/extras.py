"""The optional parts of headless: what to do where one is missing."""

__all__ = ["tell_install"]


def tell_install(extra: str) -> str:
    """The command that installs an extra, for an error's last words.

    It names the source folder: a package index may have another project of our name.
    """
    return f"pip install '.[{extra}]' in headless's source folder"
