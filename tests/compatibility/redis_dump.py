"""Writes what an earlier release left in Redis into another one."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from redis import Redis

__all__ = ["restore"]


def restore(url: str, file: Path, *, only: tuple[str, ...] = ("",)) -> None:
    """Replace everything in a Redis by the keys of a dump that begin with one of `only`.

    The times in it are moved, as if the dump had been made just now.
    """
    dump = json.loads(file.read_text(encoding="utf-8"))
    with Redis.from_url(url) as client:
        client.flushall()
        seconds, microseconds = client.time()
        shift = seconds * 1000 + microseconds // 1000 - dump["time_ms"]
        for entry in dump["keys"]:
            if entry["name"].startswith(only):
                _write(client, entry, shift)


def _write(client: Any, entry: dict[str, Any], shift: int) -> None:
    key, value = b64decode(entry["key"]), entry["value"]
    match entry["type"]:
        case "string":
            text = b64decode(value)
            client.set(key, int(text) + shift if text.isdigit() else text)
        case "hash":
            client.hset(key, mapping={b64decode(name): b64decode(field) for name, field in value})
        case "list":
            client.rpush(key, *map(b64decode, value))
        case "zset":
            client.zadd(key, {b64decode(member): score + shift for member, score in value})
        case "stream":
            for entry_id, fields in value:
                values = {b64decode(name): b64decode(field) for name, field in fields}
                client.xadd(key, values, id=entry_id)
        case kind:
            raise AssertionError(kind)
    if entry["ttl_ms"] is not None:
        client.pexpire(key, entry["ttl_ms"])
