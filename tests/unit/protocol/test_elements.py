"""An array is cut at its commas, whatever its elements are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.elements import elements

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(JSON, min_size=1), st.sampled_from([None, 1]), st.booleans())
def test_every_element_is_found(values: list[object], indent: int | None, ascii: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii).encode(errors="surrogatepass")
    found = elements(text) or []
    assert values == [json.loads(element.decode(errors="surrogatepass")) for element in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            b'[{"x":"\\ud800"} , {"y":"\xff"},bad,]',
            [b'{"x":"\\ud800"}', b'{"y":"\xff"}', b"bad", b""],
        ),
        (b' ["a]\\",[",[1,[2]],{"b":",}"}] ', [b'"a]\\",["', b"[1,[2]]", b'{"b":",}"}']),
        (b"[]", [b""]),
    ],
)
def test_what_it_is_cut_into(text: bytes, found: list[bytes]) -> None:
    assert found == elements(text)


@pytest.mark.parametrize("text", [b"", b"{}", b"[", b"[1", b'["', b"[1]]", b"[1] 2", b"7"])
def test_what_is_no_array(text: bytes) -> None:
    assert None is elements(text)


def test_a_long_one_is_cut_in_one_pass() -> None:
    """Neither its nesting nor its strings cost more than their length."""
    deep = b"[" + b"[" * 200_000 + b"]" * 200_000 + b',"' + b"\\\\" * 200_000 + b'"]'
    assert [400_000, 400_002] == [len(element) for element in elements(deep) or []]
