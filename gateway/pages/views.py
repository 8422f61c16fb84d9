"""Each page as HTML from what the gateway knows now; no state, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from gateway.pages.context import ChannelRow, CreatorCard, EngineRow, Load, PageContext
from gateway.pages.files import StaticFiles
from gateway.pages.languages import direction, language_name
from gateway.pages.markup import Markup, data, element, fill, join
from gateway.pages.reference import reference

NOTHING = "\N{EN DASH}"
SOCKET_IO = "socket.io.js"
"""The client of Socket.IO, which deploy/modules.py brings from npm."""


class Views:
    """Renders the pages; asks the context anew each time."""

    def __init__(self, context: PageContext, files: StaticFiles) -> None:
        self._context = context
        self._files = files

    def home(self) -> Markup:
        """What is running here, which languages, how to start, and the sign-in."""
        context = self._context
        pairs = context.served_pairs()
        main = fill(
            "home.html",
            channels=_channels(context.live_channels()) if context.development else _channels_hidden(),
            load=_load(context.load()),
            languages=_languages(pairs, context.voices()),
            engines=_engines(context.engines()),
            join=_join_form(),
            sign_in=self._sign_in(),
        )
        return self._page("Stagedoor", "home", main, facts={"page": "home"})

    def usage(self) -> Markup:
        """What the one who is signed in has used, and when it comes back."""
        main = fill("usage.html", sign_in=self._dialog())
        return self._page("Your minutes · Stagedoor", "usage", main, facts={"page": "usage"})

    def admin(self) -> Markup:
        """What runs, what it used and cost, and what an admin may do about it."""
        main = fill("admin.html", confirm=_confirm(), sign_in=self._dialog())
        return self._page("Admin · Stagedoor", "admin", main, facts={"page": "admin", "plot": self._plot()})

    def reference(self) -> Markup:
        """The interface, to read."""
        return self._page("API · Stagedoor", "home", reference(), facts={"page": "reference"})

    def studio(self, channel: str) -> Markup:
        """Where a channel is published from."""
        pairs = self._context.served_pairs()
        sources = sorted({source for source, _target in pairs})
        main = fill(
            "studio.html",
            channel=channel,
            languages=_options(sources, self._context.default_source_lang),
            sign_in=self._dialog(),
        )
        return self._page(f"Studio · {channel}", "studio", main, facts={"page": "studio", "channel": channel})

    def watch(self, channel: str, lang: str) -> Markup:
        """Where a channel is read and heard; `lang` is the language the link asks for, or empty."""
        pairs = self._context.served_pairs()
        targets = sorted({target for _source, target in pairs})
        default = self._context.default_source_lang
        chosen = lang if lang in targets else default if default in targets else next(iter(targets), "")
        main = fill(
            "watch.html",
            channel=channel,
            languages=_options(targets, chosen),
            sign_in=self._dialog(),
        )
        facts = {"page": "watch", "channel": channel, "lang": lang if lang in targets else ""}
        return self._page(f"Watch · {channel}", "watch", main, facts=facts)

    def rooms(self) -> Markup:
        """Where a room is joined by its code, or created, and those that one may go into."""
        main = fill("rooms.html", join=_join_form(), confirm=_confirm(), sign_in=self._dialog())
        plans = {name: asdict(plan) for name, plan in self._context.room_plans.items()}
        facts = {"page": "rooms", "plans": plans}
        return self._page("Rooms · Stagedoor", "rooms", main, facts=facts)

    def room(self, code: str) -> Markup:
        """One room."""
        targets = sorted({target for _source, target in self._context.served_pairs()})
        main = fill(
            "room.html",
            code=code,
            languages=_options(targets, self._context.default_source_lang),
            confirm=_confirm(),
            sign_in=self._dialog(),
        )
        facts = {"page": "room", "room": code, "socketio": self._client()}
        return self._page(f"Room {code} · Stagedoor", "room", main, facts=facts)

    def wrong_room(self, typed: str) -> Markup:
        """Says what a room code looks like."""
        main = fill("wrong_room.html", code=typed, join=_join_form(typed))
        return self._page("No such room · Stagedoor", "home", main, facts={"page": "wrong_room"})

    def calls(self) -> Markup:
        """Where creators call fans, and both say who may and what it costs."""
        main = fill("calls.html", confirm=_confirm(), sign_in=self._dialog())
        facts = {"page": "calls", "socketio": self._client(), "calls": asdict(self._context.calls)}
        return self._page("Calls · Stagedoor", "calls", main, facts=facts)

    def creator(self, card: CreatorCard) -> Markup:
        """What everybody sees of a creator."""
        main = fill(
            "creator.html",
            title=card.name or card.username,
            username=card.username,
            voice=_rate(card.voice_rate),
            video=_rate(card.video_rate),
        )
        return self._page(
            f"{card.name or card.username} · Stagedoor", "door", main, facts={"page": "creator"}
        )

    def no_creator(self, typed: str) -> Markup:
        """Says that nobody has a page of that name."""
        main = fill("no_creator.html", username=typed)
        return self._page("No such creator · Stagedoor", "door", main, facts={"page": "creator"})

    def away(self) -> Markup:
        """Says that what was asked for cannot be read just now."""
        return self._page("Not just now · Stagedoor", "door", fill("away.html"), facts={"page": ""})

    def overlay(self, channel: str) -> Markup:
        """Captions alone on a transparent ground."""
        return fill(
            "overlay.html",
            channel=channel,
            style=self._files.address("style.css"),
            script=self._files.address("overlay.js"),
            facts=data({"page": "overlay", "channel": channel, **self._facts()}),
        )

    def wrong_channel(self, channel: str) -> Markup:
        """Says how a channel may be named."""
        return self._page(
            "No such channel", "home", fill("wrong_channel.html", channel=channel), facts={"page": ""}
        )

    def _facts(self) -> dict[str, object]:
        context = self._context
        return {
            "development": context.development,
            "source": context.default_source_lang,
            "pairs": context.served_pairs(),
            "voices": context.voices(),
            "warning": context.warning_percent,
        }

    def _client(self) -> str | None:
        return self._files.address(SOCKET_IO) if SOCKET_IO in self._files else None

    def _plot(self) -> dict[str, str] | None:
        names = {"script": "uplot.js", "style": "uplot.css"}
        if not all(name in self._files for name in names.values()):
            return None
        return {part: self._files.address(name) for part, name in names.items()}

    def _page(self, title: str, script: str, main: Markup, *, facts: Mapping[str, object]) -> Markup:
        return fill(
            "page.html",
            title=title,
            main=main,
            navigation=_navigation(str(facts["page"])),
            version=self._context.version,
            mode=element("span", "development", class_="tag") if self._context.development else "",
            style=self._files.address("style.css"),
            icon=self._files.address("mark.svg"),
            script=self._files.address(f"{script}.js"),
            facts=data({**facts, **self._facts()}),
        )

    def _sign_in(self) -> Markup:
        return fill("sign_in_development.html" if self._context.development else "sign_in.html")

    def _dialog(self) -> Markup:
        return fill("sign_in_dialog.html", form=self._sign_in())


def _navigation(page: str) -> Markup:
    """Where else to go; who is no admin is not shown the way to that page, and would be told so there."""
    places = (
        ("rooms", "/rooms", "Rooms", False),
        ("calls", "/calls", "Calls", False),
        ("usage", "/usage", "Your minutes", False),
        ("admin", "/admin", "Admin", page != "admin"),
    )
    return join(
        element(
            "a", text, href=path, aria_current="page" if page == name else None,
            hidden=hidden, data_role=name if name == "admin" else None,
        )
        for name, path, text, hidden in places
    )  # fmt: skip


def _join_form(code: str = "") -> Markup:
    return fill("join.html", code=code)


def _confirm() -> Markup:
    return fill("confirm_dialog.html")


def _rate(credits_per_minute: float) -> str:
    if not credits_per_minute:
        return "free of charge"
    return f"{credits_per_minute:g} {'credit' if credits_per_minute == 1 else 'credits'} a minute"


def _options(codes: Iterable[str], chosen: str) -> Markup:
    return join(
        element("option", language_name(code), value=code, lang=code, selected=code == chosen)
        for code in codes
    )


def _language(code: str) -> Markup:
    return element("bdi", language_name(code), lang=code, dir=direction(code))


def _channels(rows: list[ChannelRow]) -> Markup:
    if not rows:
        return fill("no_channels.html")
    return fill(
        "channels.html", rows=join(_channel(row) for row in sorted(rows, key=lambda row: row.channel_id))
    )


def _channel(row: ChannelRow) -> Markup:
    reading = join(
        element("span", _language(lang), " ", element("b", count), class_="tag")
        for lang, count in sorted(row.viewers.items())
    )
    return element(
        "tr",
        element("th", element("a", row.channel_id, href=f"/watch/{row.channel_id}"), scope="row"),
        element("td", _language(row.source_lang)),
        element("td", sum(row.viewers.values()), class_="number"),
        element("td", reading or NOTHING),
        element("td", duration(row.live_seconds), class_="number"),
    )


def _channels_hidden() -> Markup:
    return fill("channels_hidden.html")


def _load(load: Load) -> Markup:
    return fill(
        "load.html",
        workers=load.workers,
        streams=load.streams,
        viewers=load.viewers,
        uptime=duration(load.uptime_seconds),
    )


def _languages(pairs: list[tuple[str, str]], voices: list[str]) -> Markup:
    if not pairs:
        return fill("no_languages.html")
    rows = []
    for source in sorted({source for source, _target in pairs}):
        targets = sorted(target for spoken, target in pairs if spoken == source)
        rows.append(
            element(
                "tr",
                element("th", _language(source), scope="row"),
                element("td", _listed(targets)),
                element("td", _listed([target for target in targets if target in voices]) or NOTHING),
            )
        )
    return fill("languages.html", rows=join(rows))


def _listed(codes: Iterable[str]) -> Markup:
    return join(element("span", _language(code), class_="tag") for code in codes)


def _engines(engines: list[EngineRow]) -> Markup:
    return join(
        element(
            "li",
            element(
                "span",
                "ready" if engine.available else "missing",
                class_="tag" if engine.available else "tag off",
            ),
            " ",
            element("b", engine.name),
            " ",
            element("span", engine.kind, class_="quiet"),
            element("p", engine.reason) if engine.reason else "",
        )
        for engine in sorted(engines, key=lambda engine: (not engine.available, engine.kind, engine.name))
    )


def duration(seconds: float) -> str:
    """A length of time a person reads at a glance: `45 s`, `12 min`, `3 h 05 min`, `2 d 4 h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60 % 60, whole // 3600 % 24, whole // 86400
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
