"""What goes into a page is escaped, whoever wrote it."""

import pytest

from gateway.pages.markup import Markup, data, element, escape, fill, join

HOSTILE = "<script>\"&'</script>"
SAFE = "&lt;script&gt;&quot;&amp;&#x27;&lt;/script&gt;"


def test_text_is_escaped_and_markup_is_not_escaped_again() -> None:
    assert escape(HOSTILE) == SAFE
    assert escape(escape(HOSTILE)) == SAFE
    assert join([HOSTILE, Markup("<b>"), 3]) == SAFE + "<b>3"


def test_an_element_escapes_its_attributes_and_its_content() -> None:
    assert element("a", HOSTILE, href=HOSTILE) == f'<a href="{SAFE}">{SAFE}</a>'
    assert element("td", 1, class_="number", aria_label="x") == '<td class="number" aria-label="x">1</td>'
    assert element("option", selected=True, hidden=False, lang=None) == "<option selected></option>"


def test_data_survives_an_attribute() -> None:
    assert escape(data({"a": ["<", '"']})) == "{&quot;a&quot;:[&quot;&lt;&quot;,&quot;\\&quot;&quot;]}"


def test_a_template_takes_each_value_escaped() -> None:
    page = fill("wrong_channel.html", channel=HOSTILE)
    assert SAFE in page
    assert "<script>" not in page


def test_a_value_that_looks_like_a_placeholder_stays_text() -> None:
    assert "{{ channel }}" in fill("wrong_channel.html", channel="{{ channel }}")


def test_a_template_that_lacks_a_value_says_which() -> None:
    with pytest.raises(KeyError, match="channel"):
        fill("wrong_channel.html")
