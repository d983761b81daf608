"""Sending prepared messages over plain sockets from one process, as cheaply as Python can."""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Sent:
    """What came of sending."""

    seconds: float
    accepted: int


def send_all(url: str, token: str, files: list[Path], connections: int) -> Sent:
    """Send each file once over so many connections; every one must be accepted."""
    queue: SimpleQueue[bytes] = SimpleQueue()
    for file in files:
        queue.put(file.read_bytes())
    failures: list[str] = []
    threads = [
        threading.Thread(target=_send, args=(url, token, queue, failures), daemon=True) for _ in range(connections)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(files)} messages failed: {failures[0]}")
    return Sent(seconds, len(files))


def _send(url: str, token: str, queue: SimpleQueue[bytes], failures: list[str]) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/xml", "Accept": "application/xml"}
    while True:
        try:
            message = queue.get_nowait()
        except Empty:
            connection.close()
            return
        connection.request("POST", "/api/v1/messages", message, headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 201:
            failures.append(f"{answer.status} {body[:500]!r}")


if __name__ == "__main__":
    address, token_file, folder, count = sys.argv[1:5]
    result = send_all(address, Path(token_file).read_text(), sorted(Path(folder).iterdir()), int(count))
    sys.stdout.write(json.dumps(vars(result)))
