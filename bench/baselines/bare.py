"""The least that any program does: one epoll loop that sends each event to every socket.

No HTTP beyond the first line, no cursors, no slow clients, nothing read back: the cost of a
delivery that is left is the kernel's. It shows how near the others come to it, and what the load
generator takes. `python -m bench.baselines.bare PORT`; events come by POST.
"""

import re
import select
import socket
import sys

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ACCEPTED = b"HTTP/1.1 204 No Content\r\n\r\n"


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    repeat = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    print(f"at http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    readers: dict[int, socket.socket] = {}
    number = 0
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                made, _ = listener.accept()
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[made.fileno()] = made
                epoll.register(made, select.EPOLLIN)
                continue
            data = connections[fd].recv(65536)
            if data.startswith(b"GET"):
                connections[fd].sendall(HEAD)
                connections[fd].setblocking(False)
                readers[fd] = connections[fd]
            elif data:
                number += 1
                frame = framed(number, re.split(rb"\r\n\r\n", data, maxsplit=1)[1]) * repeat
                for reader in readers.values():
                    reader.send(frame)
                connections[fd].sendall(ACCEPTED)
            else:
                epoll.unregister(fd)
                readers.pop(fd, None)
                connections.pop(fd).close()


def framed(number: int, event: bytes) -> bytes:
    """An event as one frame in one HTTP chunk, as all that are compared send it."""
    body = b"id: %d\nevent: run.progress\ndata: %b\n\n" % (number, event)
    return b"%x\r\n%b\r\n" % (len(body), body)


if __name__ == "__main__":
    main()
