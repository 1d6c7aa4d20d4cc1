"""Requests that hide another request in their body, by their trick."""

HIDDEN = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
_N = str(len(HIDDEN)).encode()
_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)


def _post(*fields: bytes, body: bytes = HIDDEN, line: bytes = b"POST /healthz HTTP/1.1", end: bytes = b"\r\n") -> bytes:
    return end.join((line, b"Host: localhost", *fields, b"", b"")) + body


# A request is hidden in the body of another: a parser that sees the body's end elsewhere would answer it.
SHAPES = {
    "length and chunks": _post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "chunks and length": _post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + HIDDEN),
    "two lengths": _post(b"Content-Length: 0", b"Content-Length: " + _N),
    "two lengths, the longer first": _post(b"Content-Length: " + _N, b"Content-Length: 0"),
    "the same length twice": _post(b"Content-Length: " + _N, b"Content-Length: " + _N),
    "a list of lengths": _post(b"Content-Length: 0, " + _N),
    "zeros before a length": _post(b"Content-Length: 000000" + _N),
    "a length with a sign": _post(b"Content-Length: +" + _N),
    "a negative length": _post(b"Content-Length: -1"),
    "a length in hexadecimal": _post(b"Content-Length: 0x0"),
    "a length with an underscore": _post(b"Content-Length: 0_0"),
    "a length in other digits": _post(b"Content-Length: \xd9\xa0"),
    "a length of nothing": _post(b"Content-Length:"),
    "a length beyond all numbers": _post(b"Content-Length: " + b"9" * 30),
    "a space before the colon": _post(b"Content-Length : 0"),
    "an underscore in the name": _post(b"Content_Length: 0", b"Content-Length: " + _N),
    "a folded length": _post(b"X: y", b" Content-Length: 0", b"Content-Length: " + _N),
    "a folded coding": _post(b"Transfer-Encoding:", b" chunked", body=_CHUNK),
    "a first field that is folded": _post(b"Content-Length: " + _N).replace(b"\r\nHost", b"\r\n Host"),
    "another coding": _post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + HIDDEN),
    "identity": _post(b"Transfer-Encoding: identity", b"Content-Length: 0"),
    "chunked and identity": _post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + HIDDEN),
    "chunked twice": _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "a space before the coding's colon": _post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + HIDDEN),
    "a vertical tab before the coding": _post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n" + HIDDEN),
    "chunks in HTTP/1.0": _post(
        b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN, line=b"POST /healthz HTTP/1.0"
    ),
    "lines that end in LF": _post(b"Content-Length: " + _N, end=b"\n"),
    "a lone CR": _post(b"X: a\rContent-Length: 0", b"Content-Length: " + _N),
    "a NUL": _post(b"X: a\0b", b"Content-Length: " + _N),
    "two hosts": _post(b"Host: elsewhere", b"Content-Length: " + _N),
    "no host": _post(b"Content-Length: " + _N).replace(b"Host: localhost\r\n", b"", 1),
    "HTTP/0.9": b"GET /healthz\r\n" + HIDDEN,
    "HTTP/2.0": _post(b"Content-Length: " + _N, line=b"POST /healthz HTTP/2.0"),
    "HTTP/1.11": _post(b"Content-Length: " + _N, line=b"POST /healthz HTTP/1.11"),
    "two spaces": _post(b"Content-Length: 0", line=b"POST  /healthz  HTTP/1.1"),
    "a space in the path": _post(b"Content-Length: 0", line=b"POST /health z HTTP/1.1"),
    "a name that is no token": _post(b"Content-Length\x80: 0", b"Content-Length: " + _N),
    "a field without a name": _post(b": 0", b"Content-Length: " + _N),
    "a field without a colon": _post(b"Content-Length", b"Content-Length: " + _N),
}
CHUNKS = {
    "a size with a sign": b"+%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "a size in another notation": b"0x%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "a size with an underscore": b"0_0\r\n\r\n" + HIDDEN,
    "a negative size": b"-1\r\n\r\n" + HIDDEN,
    "a size of nothing": b"\r\n\r\n" + HIDDEN,
    "a size beyond all numbers": b"f" * 30 + b"\r\n" + HIDDEN,
    "an extension": b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "an LF in an extension": b"%x;a\nb\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "a CR in an extension": b"%x;a\rb\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "an extension without an end": b"5;" + b"a" * 200_000,
    "more than its size": b"3\r\n" + HIDDEN + b"\r\n0\r\n\r\n",
    "less than its size": b"fff\r\n" + HIDDEN + b"\r\n0\r\n\r\n",
    "an end without CR": b"%x\n%s\n0\n\n" % (len(HIDDEN), HIDDEN),
    "trailers": b"%x\r\n%s\r\n0\r\nContent-Length: 0\r\nTransfer-Encoding: x\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "trailers without an end": b"0\r\n" + b"X: y\r\n" * 50_000,
}
SHAPES |= {f"chunk: {name}": _post(b"Transfer-Encoding: chunked", body=body) for name, body in CHUNKS.items()}
