"""``python -m headless``: the same as the command ``headless``."""

from headless.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
