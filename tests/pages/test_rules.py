"""The pages' rules without a page: lines of captions, what is seen twice, when to come back, what is kept."""

from typing import Any

import pytest
from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ROLL = """
async ([steps, options]) => {
  const { Roll } = await import("/static/captions.js");
  const roll = new Roll(options);
  const seen = [];
  for (const [now, said] of steps) {
    if (said) roll.take({ type: "subtitle", rev: 1, offset: 0, lang: "en", ...said }, now);
    else roll.advance(now);
    seen.push(roll.screen.map((line) => [line.id, line.words.join(" "), line.final]));
  }
  return { seen, deadline: roll.deadline() };
}
"""


def said(
    text: str, segment: str = "s1", *, final: bool = False, start: float = 0, end: float = 1
) -> dict[str, Any]:
    return {"text": text, "segment_id": segment, "is_final": final, "start": start, "end": end}


async def screens(page: Page, *steps: tuple[float, dict[str, Any] | None], **options: Any) -> list[Any]:
    result = await page.evaluate(ROLL, [steps, options])
    seen: list[Any] = result["seen"]
    return seen


def texts(screen: list[Any]) -> list[str]:
    return [text for _id, text, _final in screen]


async def test_words_are_appended_to_the_last_line_and_the_first_one_stays(blank: Page) -> None:
    long = "this is a sentence that goes on until its words no longer fit on one line"
    words = long.split()
    steps = [(n * 0.3, said(" ".join(words[: n + 1]))) for n in range(len(words))]
    seen = await screens(blank, *steps)
    first_lines = [screen[0][1] for screen in seen if len(screen) == 2]
    assert set(first_lines) == {"this is a sentence that goes on until its"}
    assert texts(seen[-1]) == ["this is a sentence that goes on until its", "words no longer fit on one line"]
    assert all(len(line) <= 42 for screen in seen for line in texts(screen))


async def test_a_correction_replaces_in_place(blank: Page) -> None:
    seen = await screens(
        blank,
        (0.0, said("the whether will be fine for the whole of the weak and")),
        (0.3, said("the weather will be fine for the whole of the week and then")),
    )
    assert texts(seen[0]) == ["the whether will be fine for the whole of", "the weak and"]
    assert texts(seen[1]) == ["the weather will be fine for the whole of", "the week and then"]
    assert [line[0] for line in seen[0]] == [line[0] for line in seen[1]], "the same lines, not new ones"


async def test_two_words_that_become_one_do_not_pull_the_next_line_up(blank: Page) -> None:
    seen = await screens(
        blank,
        (0.0, said("we shall see to day that a line keeps its own words where they are")),
        (0.3, said("we shall see today that a line keeps its own words where they are")),
    )
    assert texts(seen[0])[1] == texts(seen[1])[1] == "own words where they are"


async def test_a_final_takes_the_place_of_its_interim(blank: Page) -> None:
    seen = await screens(
        blank,
        (0.0, said("good evening and welcome")),
        (0.5, said("Good evening, and welcome.", final=True)),
    )
    assert texts(seen[1]) == ["Good evening, and welcome."]
    assert seen[0][0][0] == seen[1][0][0]
    assert [line[2] for line in seen[1]] == [True]


async def test_an_utterance_that_ends_in_several_blocks_leaves_no_interim_behind(blank: Page) -> None:
    interim = "the first half of what was said at some length and then the second half of it"
    seen = await screens(
        blank,
        (0.0, said(interim, "u1.0", start=0, end=6)),
        (5.0, said("the first half of what was said\nat some length", "u1.0", final=True, start=0, end=3)),
        (5.0, said("and then the second half of it", "u1.1", final=True, start=3, end=6)),
        (7.0, None),
    )
    shown = " ".join(texts(seen[-1]))
    assert shown.endswith("and then the second half of it")
    assert all(final for _id, _text, final in seen[-1])


async def test_a_block_breaks_where_the_server_broke_it(blank: Page) -> None:
    seen = await screens(blank, (0.0, said("If it rains,\nwe stay at home.", final=True)))
    assert texts(seen[0]) == ["If it rains,", "we stay at home."]


async def test_where_the_servers_lines_do_not_fit_lines_are_filled(blank: Page) -> None:
    set_lines = """async (text) => {
      const { setLines } = await import("/static/captions.js");
      return setLines(text, [], (line) => line.length <= 20).map((line) => line.join(" "));
    }"""
    lines = await blank.evaluate(set_lines, "If it rains all day long,\nwe stay.")
    assert lines == ["If it rains all day", "long, we stay."]


async def test_a_line_stays_three_tenths_of_a_second_a_word(blank: Page) -> None:
    seen = await screens(
        blank,
        (0.0, said("one two three four five six", "a", final=True)),
        (0.1, said("seven eight", "b", final=True)),
        (0.2, said("nine ten", "c", final=True)),
        (1.7, None),
        (1.85, None),
    )
    assert texts(seen[2]) == texts(seen[3]) == ["one two three four five six", "seven eight"]
    assert texts(seen[4]) == ["seven eight", "nine ten"]


async def test_who_is_far_behind_is_brought_to_what_is_said_now(blank: Page) -> None:
    steps = [(0.0, said(f"sentence number {n}", f"s{n}", final=True)) for n in range(40)]
    seen = await screens(blank, *steps, (2.0, None), (4.0, None), (6.0, None))
    assert texts(seen[-1]) == ["sentence number 38", "sentence number 39"]


async def test_what_hangs_on_is_cleared_within_seven_seconds(blank: Page) -> None:
    seen = await screens(blank, (0.0, said("that is all", final=True)), (2.9, None), (7.0, None))
    assert texts(seen[1]) == ["that is all"]
    assert seen[2] == []


async def test_a_caption_is_not_cleared_while_its_segment_goes_on(blank: Page) -> None:
    steps = [(n * 0.5, said(" ".join(["word"] * (n + 1)))) for n in range(20)]
    assert all(screen for screen in await screens(blank, *steps))


async def test_steady_captions_show_finals_only(blank: Page) -> None:
    seen = await screens(
        blank, (0.0, said("good eve")), (0.5, said("Good evening.", final=True)), steady=True
    )
    assert seen[0] == []
    assert texts(seen[1]) == ["Good evening."]


SEEN = """
async (messages) => {
  const { Seen } = await import("/static/live.js");
  const seen = new Seen(3);
  return messages.map(([epoch, message]) => seen.take(epoch, { lang: "en", rev: 0, ...message }));
}
"""


async def test_a_final_is_taken_once_and_no_interim_after_it(blank: Page) -> None:
    final = {"segment_id": "a", "is_final": True}
    taken = await blank.evaluate(
        SEEN,
        [
            ["e1", {"segment_id": "a", "is_final": False, "rev": 1}],
            ["e1", {"segment_id": "a", "is_final": False, "rev": 1}],
            ["e1", {"segment_id": "a", "is_final": False, "rev": 3}],
            ["e1", {"segment_id": "a", "is_final": False, "rev": 2}],
            ["e1", final],
            ["e1", final],
            ["e1", {"segment_id": "a", "is_final": False, "rev": 9}],
            ["e2", final],
            ["e1", {**final, "lang": "es"}],
        ],
    )
    assert taken == [True, False, True, False, True, False, False, True, True]


@pytest.mark.parametrize(("code", "again"), [
    (1006, True), (1012, True), (1013, True), (4008, True), (4029, True), (1001, True), (1011, True),
    (1000, False), (1008, False), (1009, False), (4001, False), (4003, False), (4402, False), (4404, False),
    (4408, False), (4409, False), (4999, False),
])  # fmt: skip
async def test_a_close_code_says_whether_to_come_back(blank: Page, code: int, *, again: bool) -> None:
    ask = "async (code) => (await import('/static/live.js')).mayRetry(code)"
    assert await blank.evaluate(ask, code) is again


WAIT = """
async ([code, attempt, asked, random]) =>
  (await import("/static/live.js")).waitSeconds(code, attempt, asked ?? undefined, () => random)
"""


async def test_waits_grow_to_a_ceiling_with_jitter(blank: Page) -> None:
    shortest = [await blank.evaluate(WAIT, [1006, attempt, None, 0.0]) for attempt in range(9)]
    longest = [await blank.evaluate(WAIT, [1006, attempt, None, 0.999]) for attempt in range(9)]
    assert shortest[:4] == [0.25, 0.5, 1.0, 2.0]
    assert max(longest) < 20
    assert all(low < high for low, high in zip(shortest, longest, strict=True))


async def test_a_server_that_says_when_is_obeyed(blank: Page) -> None:
    assert 37 <= await blank.evaluate(WAIT, [4029, 0, 37, 0.5]) < 38
    assert 0.2 <= await blank.evaluate(WAIT, [1012, 0, None, 0.0]) < 2.0


OUTBOX = """
async (steps) => {
  const { Outbox } = await import("/static/outbox.js");
  const box = new Outbox();
  const sent = [];
  for (const [what, ...values] of steps) {
    if (what === "push") box.push(Uint8Array.from({ length: values[0] }, (_, i) => (box.end + i) % 251));
    else if (what === "send") for (let piece; (piece = box.next(values[0])); ) sent.push(...piece);
    else if (what === "ack") box.acknowledge(values[0]);
    else box.rewind(values[0], values[1]);
  }
  const kept = [box.base, box.end, box.sent, box.lostBytes];
  return { sent, kept };
}
"""


async def test_what_was_not_acknowledged_is_sent_again_from_where_the_server_is(blank: Page) -> None:
    result = await blank.evaluate(
        OUTBOX,
        [
            ["rewind", 0, True],
            ["push", 9600],
            ["send", 1],
            ["ack", 3200],
            ["rewind", 5000, True],
            ["send", 2],
        ],
    )
    everything = [n % 251 for n in range(9600)]
    assert result["sent"] == everything + everything[5000:]


async def test_a_new_stream_is_given_all_that_the_old_one_did_not_take(blank: Page) -> None:
    steps = [["push", 9600], ["send", 1], ["ack", 6400], ["rewind", 0, False], ["send", 2], ["ack", 3200]]
    result = await blank.evaluate(OUTBOX, steps)
    assert result["sent"][9600:] == [n % 251 for n in range(6400, 9600)]
    assert result["kept"][0] == 9600, "the new stream's bytes count from where it began"


async def test_an_outbox_is_bounded_and_says_what_it_gave_up(blank: Page) -> None:
    most = 75 * 32_000
    result = await blank.evaluate(OUTBOX, [["push", most], ["push", 6400]])
    base, end, _sent, lost = result["kept"]
    assert (end - base, lost) == (most, 6400)


async def test_after_a_loss_the_pace_stays_under_four_times_real_time(blank: Page) -> None:
    result = await blank.evaluate(OUTBOX, [["push", 60 * 32_000], ["send", 10], ["send", 11], ["send", 12]])
    assert len(result["sent"]) <= 64_000 + 2 * 4 * 32_000
