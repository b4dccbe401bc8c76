"""Where metrics go, as settings say it."""

from headless.errors import ParameterError
from headless.transport.address import TcpAddress, parse_address

__all__ = ["parse_metrics_listen"]


def parse_metrics_listen(text: str) -> TcpAddress:
    """Read where to serve the metrics; port 0 means any that is free.

    Raises:
        ParameterError: it is no HOST:PORT.
    """
    try:
        address = parse_address(text, is_any_port=True)
    except ParameterError as exc:
        raise ParameterError(f"setting 'metrics_listen' is HOST:PORT, not {text!r}") from exc
    if not isinstance(address, TcpAddress):
        raise ParameterError(f"setting 'metrics_listen' is HOST:PORT, not {text!r}")
    return address
