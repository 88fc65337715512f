"""Packets: bytes as the protocol's text gives them, any split of a stream, noise and damage between packets."""

from __future__ import annotations

import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p4c.runtime.board.packets import Command, Damage, Decoder, Flag, Packet, encode

NUMBERS = st.none() | st.integers(0, 2**32 - 1)
PACKETS = st.builds(Packet, st.integers(0, 255), st.binary(max_size=40), st.sampled_from(Flag), NUMBERS)


def decoded(data, cuts=(), max_payload=1000):
    """What a decoder makes of the pieces of a stream."""
    decoder, found = Decoder(max_payload), []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        decoder.feed(data[start:end])
        while (item := decoder.take()) is not None:
            found.append(item)
    return found


def test_bytes_of_a_ping():
    """By hand: A5 + 5A + 01 + 00 + 04 + CA + FE + BA + BE = 0x444."""
    assert encode(Packet(Command.PING, b"\xca\xfe\xba\xbe")).hex(" ") == "a5 5a 01 00 04 00 00 00 ca fe ba be 44 04"
    assert encode(Packet(Command.HEAP_INFO)).hex(" ") == "a5 5a 40 00 00 00 00 00 3f 01"
    error = decoded(bytes.fromhex("a55a200204000000 04000000 2901"))
    assert error == [Packet(Command.WRITE, b"\x04\0\0\0", Flag.ERROR)]
    assert error[0].error_code == 4
    numbered = encode(Packet(Command.RESET, b"\x07\0\0\0", number=0x01020304))
    assert numbered[:16].hex(" ") == "a5 5a 53 10 04 00 00 00 04 03 02 01 07 00 00 00"
    assert numbered[16:] == binascii.crc32(numbered[:16]).to_bytes(4, "little")


@given(st.lists(PACKETS, max_size=4), st.data())
def test_any_split_of_a_stream_gives_its_packets(packets, data):
    stream = b"".join(map(encode, packets))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    assert decoded(stream, cuts) == packets


@given(PACKETS, st.binary(max_size=30).map(lambda noise: noise.replace(b"\xa5", b"x")))
def test_noise_before_a_packet_is_passed_over(packet, noise):
    assert decoded(noise + encode(packet)) == [packet]
    assert decoded(b"\xa5" + encode(packet)) == [packet]


@given(PACKETS, st.data())
def test_a_changed_byte_never_gives_another_packet(packet, data):
    """One byte is changed: a sum or CRC of all bytes always tells it."""
    stream = bytearray(encode(packet))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    assert not [item for item in decoded(bytes(stream)) if isinstance(item, Packet)]


def test_damage_is_told_and_the_next_packet_found():
    good = encode(Packet(Command.READ, b"abc", Flag.ANSWER))
    bad = good.replace(b"abc", b"abd")
    assert [type(item) for item in decoded(bad + good)] == [Damage, Packet]
    long = bytearray(good)
    long[6] = 1
    first, second = decoded(bytes(long) + good)
    assert "announces 65,539 bytes" in first.what
    assert second == Packet(Command.READ, b"abc", Flag.ANSWER)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 300])
def test_wanted_bytes_never_reach_into_the_next_packet(size):
    stream = encode(Packet(Command.READ, bytes(size), Flag.ANSWER))
    decoder, at = Decoder(1000), 0
    while (found := decoder.take()) is None:
        wanted = decoder.wanted
        assert 1 <= wanted <= len(stream) - at
        decoder.feed(stream[at : at + wanted])
        at += wanted
    assert (found.payload, at) == (bytes(size), len(stream))
