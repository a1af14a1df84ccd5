"""The greeter's messages without generated code: strings, written by hand."""


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def request(name):
    """GreetingRequest { string name = 1; }"""
    text = name.encode()
    return b"\x0a" + varint(len(text)) + text if text else b""


def reply(message):
    """GreetingResponse { string greeting = 2; }"""
    assert message[:1] == b"\x12", message
    length, shift, at = 0, 0, 1
    while True:
        byte = message[at]
        length |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            break
    assert len(message) == at + length, message
    return message[at:].decode()


def names(many):
    """GreetingsRequest { repeated string names = 1; }"""
    texts = [name.encode() for name in many]
    return b"".join(b"\x0a" + varint(len(text)) + text for text in texts)
