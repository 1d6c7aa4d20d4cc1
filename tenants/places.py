"""Where a request is from: what limits by address count by."""

from ipaddress import IPv6Address, ip_address, ip_network


def place(address: str) -> str:
    """Return the address; in IPv6 its /64, for whoever has one address of it has all; "elsewhere" if it is none."""
    return _within(address, 32, 64)


def network(address: str) -> str:
    """Return the network that one customer of a provider may well have: /24, or in IPv6 /48."""
    return _within(address, 24, 48)


def _within(address: str, bits: int, bits_of_6: int) -> str:
    try:
        here = ip_address(address)
    except ValueError:
        return "elsewhere"
    if isinstance(here, IPv6Address) and here.ipv4_mapped:
        here = here.ipv4_mapped
    return str(ip_network((int(here), bits if here.version == 4 else bits_of_6), strict=False))  # noqa: PLR2004
