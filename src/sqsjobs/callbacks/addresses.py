"""Which addresses callbacks may be posted to: those of the public internet, and what the configuration adds.

Sources: the IANA registries of special-purpose IPv4 and IPv6 addresses (RFC 6890), and where clouds keep their metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from sqsjobs.errors import CallbackRefused

__all__ = ["Network", "checked_addresses", "is_public"]

Network: TypeAlias = IPv4Network | IPv6Network

_NEVER: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            "100.64.0.0/10",  # carriers' NAT; Alibaba's metadata
            "168.63.129.16/32",  # Azure's metadata
            "192.0.0.0/24",  # protocols; Oracle's metadata
            "192.88.99.0/24",  # relays of 6to4
            "198.18.0.0/15",  # benchmarks
            "2001::/23",  # Teredo, ORCHID and other protocols
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: another way to write an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""All of IPv6 that is routed to single machines on the internet; what maps IPv4, loopback and links is outside of it."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""How an IPv6-only network writes IPv4 addresses (RFC 6052): the address inside is what counts."""


def checked_addresses(host: str, addresses: Sequence[str], networks: Sequence[Network]) -> Sequence[str]:
    """Return the addresses of `host` if all of them are public, or in `networks`.

    One that is not condemns the others: a name with both is not the name of an honest receiver.

    Raises:
        CallbackRefused: if one is not, or there is none.
    """
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if not (is_public(address) or any(address in network for network in networks)):
            raise CallbackRefused(
                f"{host} has the address {address}, which is not one of the public internet: where that is meant, "
                f"say Callbacks(networks=[...])"
            )
    if not addresses:
        raise CallbackRefused(f"{host} has no address")
    return addresses


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether `address` is one of a single machine on the internet, as far as the address itself tells."""
    if isinstance(address, IPv6Address) and address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if any(address in network for network in _NEVER) or address.is_multicast or address.is_reserved:
        return False
    return address.is_global and (isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST)
