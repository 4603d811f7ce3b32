"""A real S3 API on loopback for the tests: `moto`'s server in a process of its own, started when a test first needs it."""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.ports import free_port

BUCKET = "pickaxe-tests"
REGION = "us-east-1"
_SHARED = "TESTS_S3_ENDPOINT"


@functools.cache
def endpoint() -> str:
    """The server's address; it holds the bucket `BUCKET`. It ends with the process that started it; that one's children share it."""
    if shared := os.environ.get(_SHARED):
        return shared
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    atexit.register(server.kill)
    address = f"http://127.0.0.1:{port}"
    ends = time.monotonic() + 300
    while time.monotonic() < ends:
        try:
            urllib.request.urlopen(f"{address}/moto-api/", timeout=60).close()
            break
        except OSError:
            time.sleep(0.05)
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    client(address).create_bucket(Bucket=BUCKET)
    os.environ[_SHARED] = address
    return address


def client(address: str | None = None) -> Any:
    """AWS's own client, for looking at the bucket from outside."""
    import boto3

    return boto3.client("s3", endpoint_url=address or endpoint(), region_name=REGION)


def url(place: Path) -> str:
    """A URL of objects that belongs to `place` alone."""
    return f"s3://{BUCKET}/{prefix(place)}?endpoint={endpoint()}&region={REGION}"


def prefix(place: Path) -> str:
    """Where a place's objects are. Noted in it, so that a place that is moved keeps its objects."""
    note = place / "objects"
    if not note.exists():
        place.mkdir(parents=True, exist_ok=True)
        note.write_text(str(place.absolute()).strip("/"))
    return note.read_text()


def objects(place: Path) -> dict[str, bytes]:
    """Everything below the place's URL, by key."""
    pages = client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix(place) + "/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    return {key: client().get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def spoil(place: Path) -> bool:
    """Flip one bit in one object that is not empty; whether there was one."""
    for key, content in sorted(objects(place).items()):
        if content:
            middle = len(content) // 2
            client().put_object(
                Bucket=BUCKET, Key=key, Body=content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            )
            return True
    return False
