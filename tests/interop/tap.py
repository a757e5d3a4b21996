"""A proxy that listens: what a client and the server say to each other, and how much."""
import socket
import threading


class Tap:
    """Forwards connections to a port and keeps what was said."""

    def __init__(self, host, port):
        self.to, self.said, self.answered, self.lock = (host, port), [], [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(self.to)
            for source, sink, kept in ((near, far, self.said), (far, near, self.answered)):
                threading.Thread(target=self.copy, args=(source, sink, kept), daemon=True).start()

    def copy(self, source, sink, kept):
        try:
            while data := source.recv(65536):
                with self.lock:
                    kept.append(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def heard(self):
        """What the client and the server said since the last call."""
        with self.lock:
            both = b"".join(self.said), b"".join(self.answered)
            self.said.clear()
            self.answered.clear()
        return both

    def taken(self):
        """Octets of the server since the last call."""
        return len(self.heard()[1])
