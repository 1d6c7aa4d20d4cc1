"""The addresses that the platform may connect to for a caller: public ones, and those in ALLOWED_NETWORKS."""

from ipaddress import IPv4Address, IPv6Address, ip_network

from django.conf import settings

# IANA's special-purpose registries. Python 3.11's `is_global` does not do: it is true for multicast, 6to4 and NAT64.
_SPECIAL = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; contains a cloud's metadata service
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's metadata service at a public address
        "169.254.0.0/16",  # link-local; contains most clouds' metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "2001::/23",  # Teredo and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: contains an IPv4 address
        "3fff::/20",
    )
)
# IPv6 outside this block is special: loopback, IPv4-mapped and NAT64 addresses, unique-local, link-local, multicast.
_UNICAST = ip_network("2000::/3")
_LOCAL = tuple(
    ip_network(block)
    for block in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
# Clouds' metadata services give credentials to every client, so no setting opens these.
_METADATA = tuple(
    ip_network(block)
    for block in ("169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::/32", "fe80::/10")
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether the address is public, and does not embed an address that may not be."""
    if isinstance(address, IPv6Address) and (address.scope_id or address not in _UNICAST):
        return False
    return not any(address in block for block in _SPECIAL)


def may_connect(address: IPv4Address | IPv6Address, port: int, ports: frozenset[int]) -> bool:
    """Return whether an address is public or in ALLOWED_NETWORKS; in development local addresses are allowed too.

    A port that ALLOWED_NETWORKS names with a network is open in that network only, whether or not `ports` has it.
    """
    if any(address in block for block in _METADATA):
        return False
    for network, named in settings.ALLOWED_NETWORKS:
        if address in network and (port in ports if named is None else port == named):
            return True
    local = any(address in block for block in _LOCAL) and settings.ALLOW_PRIVATE_URLS and not settings.HTTPS
    return port in ports and (is_public(address) or local)
