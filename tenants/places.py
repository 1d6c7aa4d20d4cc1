"""The address ranges by which limits count requests."""

from ipaddress import IPv6Address, ip_address, ip_network


def place(address: str) -> str:
    """Return the address, or in IPv6 its /64, which one host usually owns whole; "elsewhere" for a malformed one."""
    return _within(address, 32, 64)


def network(address: str) -> str:
    """Return the /24, or in IPv6 the /48: what one customer of a provider may own."""
    return _within(address, 24, 48)


def _within(address: str, bits: int, bits_of_ipv6: int) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return "elsewhere"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(ip_network((int(parsed), bits if parsed.version == 4 else bits_of_ipv6), strict=False))  # noqa: PLR2004
