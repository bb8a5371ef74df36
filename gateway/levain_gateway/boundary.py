"""Where WebSocket frames end in a stream of bytes that is cut anywhere: all that the tunnel knows of what it carries.

Only lengths are read (RFC 6455 §5.2), and of a close frame its code. Nothing is checked: the two ends do that.
"""

_CLOSE = 8
_LENGTH_BYTES = {126: 2, 127: 8}


class FrameBoundary:
    """`frames` counts frames that are complete; `closed` is true once a close frame is; its code is in `close_code`."""

    __slots__ = ("_head", "_in_close", "_left", "close_code", "closed", "frames")

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = 0
        self._in_close: bytearray | None = None
        self.frames = 0
        self.closed = False
        self.close_code: int | None = None

    @property
    def between_frames(self) -> bool:
        return self._left == 0 and not self._head

    def feed(self, data: bytes) -> None:
        """Goes on by all of `data`."""
        position = 0
        while position < len(data):
            position = self._step(data, position)

    def feed_to_end_of_frame(self, data: bytes) -> int:
        """Goes on to the end of the frame that is under way, at most; how many bytes of `data` belong to it."""
        position = 0
        while position < len(data) and not self.between_frames:
            position = self._step(data, position)
        return position

    def _step(self, data: bytes, position: int) -> int:
        """A whole head, or one byte of it, or as much payload as there is: the position after it."""
        if self._left:
            return self._payload(data, position)
        if not self._head and len(data) - position >= 4 and data[position + 1] < 127 and data[position] & 15 != _CLOSE:
            return self._usual_frame(data, position)
        self._head.append(data[position])
        if len(self._head) >= 2 and len(self._head) == self._head_bytes():
            self._head_ended()
        return position + 1

    def _usual_frame(self, data: bytes, position: int) -> int:
        """Unmasked, under 64 KiB, no close frame: without gathering its header byte by byte."""
        size = data[position + 1]
        position += 2
        if size == 126:
            size = data[position] << 8 | data[position + 1]
            position += 2
        end = position + size
        if end > len(data):
            self._left = size
            return position
        self.frames += 1
        return end

    def _payload(self, data: bytes, position: int) -> int:
        taken = min(self._left, len(data) - position)
        if self._in_close is not None:
            self._in_close += data[position : position + min(taken, 2 - len(self._in_close))]
        self._left -= taken
        if not self._left:
            self._frame_ended()
        return position + taken

    def _head_bytes(self) -> int:
        second = self._head[1]
        return 2 + _LENGTH_BYTES.get(second & 127, 0) + (4 if second & 128 else 0)

    def _head_ended(self) -> None:
        short = self._head[1] & 127
        extended = self._head[2 : 2 + _LENGTH_BYTES.get(short, 0)]
        self._left = int.from_bytes(extended, "big") if extended else short
        self._in_close = bytearray() if self._head[0] & 15 == _CLOSE else None
        self._head.clear()
        if not self._left:
            self._frame_ended()

    def _frame_ended(self) -> None:
        self.frames += 1
        if self._in_close is not None:
            self.closed = True
            self.close_code = int.from_bytes(self._in_close, "big") if len(self._in_close) == 2 else None
            self._in_close = None
