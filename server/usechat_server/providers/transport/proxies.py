"""Proxies of the environment."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

__all__ = ["uses_proxy"]


def uses_proxy(url: str) -> bool:
    """Whether a proxy of the environment (`HTTPS_PROXY`, `ALL_PROXY`, …) applies to a URL.

    Raises:
        ValueError: It is one that cannot be used.
    """
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return False
    if urlsplit(proxy).scheme.startswith("socks"):
        raise ValueError(
            f"the environment names a SOCKS proxy for {parts.scheme} requests, which is not "
            f"supported: set {parts.scheme.upper()}_PROXY to an HTTP proxy, or add "
            f"{parts.hostname} to NO_PROXY"
        )
    return True
