"""The listening socket: loopback only, and a taken port is explained."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from pickaxe.kernel.errors import BadInput, Unavailable


@contextmanager
def listening(host: str, port: int, *, anywhere: bool = False) -> Iterator[socket.socket]:
    """A bound socket, closed at the end. Bound before anything else is set up, so that nobody else gets the port meanwhile.

    Raises `BadInput` for a host that is not loopback (unless `anywhere`) or an impossible port, `Unavailable` for a port that is taken.
    """
    address = str(_parsed(host) or loopback_address(host)) if anywhere else loopback_address(host)
    if not 0 <= port <= 65535:
        raise BadInput(f"{port} is not a port", expected="0 (any free one) to 65535")
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as listener:
        # Take over the port of a server that ended a moment ago; a live listener still refuses us.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except OSError as error:
            raise _not_bound(address, port, error) from None
        yield listener


def loopback_address(host: str) -> str:
    """The address to bind. Raises `BadInput` unless it is this machine talking to itself."""
    if host.lower() == "localhost":
        return "127.0.0.1"
    address = _parsed(host)
    if address is None or not address.is_loopback:
        raise BadInput(
            f"this server listens on loopback only, not on {host!r:.100}",
            expected="localhost, 127.0.0.1 or ::1",
            remedy="to serve other machines, let somebody sign in first: pickaxe user add NAME --role admin; then pickaxe up --host ADDRESS",
        )
    return str(address)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. Raises `BadInput` for what is no address."""
    address = _parsed(host)
    if address is None and host.lower() != "localhost":
        raise BadInput(
            f"{host!r:.100} is not an address", expected="an IP address of this machine, 0.0.0.0 for all, or localhost"
        )
    return address is None or address.is_loopback


def _parsed(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def url_of(listener: socket.socket) -> str:
    """``http://127.0.0.1:8080``"""
    return f"http://{host_of(listener)}:{listener.getsockname()[1]}"


def host_of(listener: socket.socket) -> str:
    """The address as a Host header writes it."""
    address = listener.getsockname()[0]
    return f"[{address}]" if ":" in address else address


def hosts_of(listener: socket.socket) -> list[str]:
    """What a Host header may say of the listener itself: its address; of one at every address, all of this machine's, and its name.

    An address is no site's name, so letting in more of them gives nothing away to a page that makes its own name point here.
    """
    if not ipaddress.ip_address(listener.getsockname()[0]).is_unspecified:
        return [host_of(listener)]
    import psutil

    own = [item for found in psutil.net_if_addrs().values() for item in found]
    addresses = [item.address for item in own if item.family == socket.AF_INET]
    addresses += [f"[{item.address.partition('%')[0]}]" for item in own if item.family == socket.AF_INET6]
    return [*(address for address in addresses if not address.startswith("127.")), socket.gethostname().lower()]


def _not_bound(address: str, port: int, error: OSError) -> Unavailable:
    if error.errno == errno.EADDRINUSE:
        owner = _owner(port)
        return Unavailable(
            f"port {port} is in use" + (f" by process {owner}" if owner else ""),
            remedy="stop that process, or choose another port: --port 0 takes any free one",
        )
    return Unavailable(
        f"cannot listen on {address} port {port}", got=error.strerror, remedy="choose another port: --port 0 takes any free one"
    )


def _owner(port: int) -> str | None:
    """Id and name of the process that listens on `port`, where the system tells."""
    import psutil

    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr[1] == port
            if listens and connection.pid:
                return f"{connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:  # other people's sockets are not ours to see (macOS, or gone meanwhile): the message goes without
        return None
    return None
