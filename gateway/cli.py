"""The command `stagedoor`: serve, work, make tokens, show engines, migrate and audit the database."""

import logging
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import typer.main
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from auth.principal import Plan, Principal, Role
from auth.tokens import KeyRing, SecretTooWeak, issue
from gateway import clock, logs
from gateway.ids import new_id
from gateway.keys import SECRET_FILE, key_ring
from gateway.settings import Settings

COMMANDS = "stagedoor.commands"
"""The entry point group of commands that live above the gateway, as the bench does; each is a typer.Typer."""


class Commands(TyperGroup):
    """Our own commands and those that are installed beside them, which are imported only when asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name all of them."""
        return [*super().list_commands(ctx), *sorted(entry_points(group=COMMANDS).names)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one of ours, else load the one of this name; None if there is none."""
        found = super().get_command(ctx, cmd_name)
        if found is not None:
            return found
        for entry in entry_points(group=COMMANDS, name=cmd_name):
            return typer.main.get_command(entry.load())
        return None


cli = typer.Typer(
    cls=Commands,
    name="stagedoor",
    help="Self-hosted realtime media gateway: live subtitles and dubbing for a live audience.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True, soft_wrap=True)

DataDir = Annotated[
    Path | None,
    typer.Option(help="Where the secret and the worker socket live. Default: $DATA_DIR, or data."),
]


def _refuse(message: str, *, code: int = 2) -> NoReturn:
    errors.print(f"[bold red]stagedoor:[/] {escape(message)}", highlight=False)
    raise typer.Exit(code)


def _settings(**given: Any) -> Settings:
    """Return the settings, with what the command line gave on top; stop with a sentence if they are wrong."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            name = "_".join(str(part) for part in problem["loc"][:1]).upper()
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {message}" if name else message)
        _refuse("\n".join(lines))


def _keys(settings: Settings) -> KeyRing:
    """Return the keys; stop with a sentence if there are none to be had."""
    try:
        return key_ring(settings)
    except SecretTooWeak as error:
        where = settings.data_dir / SECRET_FILE if settings.jwt_secret is None else "JWT_SECRET"
        _refuse(f"{where}: {error}")
    except OSError as error:
        _refuse(f"Cannot keep the token secret in {settings.data_dir}: {error.strerror}. "
                "Give a folder that can be written with --data-dir", code=1)  # fmt: skip


def _version(asked: bool) -> None:
    if asked:
        from gateway.http.health import VERSION

        typer.echo(f"stagedoor {VERSION}")
        raise typer.Exit


@cli.callback()
def main_options(
    _version_asked: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Self-hosted realtime media gateway."""


@cli.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. Default: $HOST, or 127.0.0.1.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks one. Default: $PORT, or 8000.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Run the server: sockets, pages, API and media workers, on one port."""
    from gateway.serving import CannotStart, run

    settings = _settings(host=host, port=port, data_dir=data_dir)
    logs.configure(settings.log_level, json=settings.json_logs)
    keys = _keys(settings)
    try:
        run(settings, keys)
    except CannotStart as error:
        _refuse(str(error), code=1)
    except OSError as error:
        _refuse(f"Cannot serve on {settings.host}:{settings.port}: {error.strerror or error}. "
                "Choose another with --host or --port", code=1)  # fmt: skip


@cli.command()
def worker(
    data_dir: DataDir = None,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Run one more media worker for the server that uses the same data directory."""
    from gateway.chosen import engine_settings
    from media import worker as media_worker

    settings = _settings(data_dir=data_dir)
    logs.configure(settings.log_level, json=settings.json_logs)
    warm = (settings.default_source_lang,)
    engines_chosen, streams_max = engine_settings(settings), settings.worker_streams_max
    sys.exit(media_worker.main(settings.data_dir, engines_chosen, streams_max, child, warm=warm))


@cli.command()
def token(
    user: Annotated[str, typer.Option(help="Who the token speaks for (its `sub`).")],
    role: Annotated[Role, typer.Option(help="What they are.")] = Role.FAN,
    plan: Annotated[Plan, typer.Option(help="What they have paid for.")] = Plan.FREE,
    tenant: Annotated[str, typer.Option(help="Whose users they are among.")] = "default",
    ttl: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds until it expires. Default: $ACCESS_TOKEN_EXPIRE_MINUTES."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Print an access token, and nothing else."""
    logging.disable(logging.INFO)
    settings = _settings(data_dir=data_dir)
    makes_secret = settings.jwt_secret is None and not (settings.data_dir / SECRET_FILE).exists()
    now = clock.wall()
    principal = Principal(
        user=user,
        tenant=tenant,
        roles=frozenset({role}),
        plan=plan,
        expires_at=now + (ttl or settings.access_token_expire_minutes * 60),
        token_id=new_id("jti"),
    )
    try:
        typer.echo(issue_checked(_keys(settings), principal, now))
    except ValueError as error:
        _refuse(str(error))
    if makes_secret:
        typer.echo(f"Made a secret in {settings.data_dir}; a server with another data directory refuses "
                   "this token.", err=True)  # fmt: skip


def issue_checked(keys: KeyRing, principal: Principal, now: float) -> str:
    """Return a token that this server will accept. Raises ValueError with what it would refuse."""
    from auth.tokens import TokenRefused, verify

    made = issue(keys, principal, now=now)
    try:
        verify(keys, made, now=now)
    except TokenRefused as refusal:
        raise ValueError(refusal.reason) from refusal
    return made


@cli.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database's tables up to date; a server does it by itself only for SQLite."""
    import asyncio

    from gateway.stores.database import CannotOpen, migrate_database
    from gateway.stores.interface import StoreDown

    settings = _settings(data_dir=data_dir)
    url = settings.database_url.get_secret_value()
    try:
        steps = asyncio.run(migrate_database(url, settings.data_dir))
    except (CannotOpen, StoreDown) as error:
        _refuse(str(error), code=1)
    where = "PostgreSQL" if url else f"SQLite in {settings.data_dir}"
    done = f"took the steps {', '.join(steps)}" if steps else "is up to date"
    typer.echo(f"The database ({where}) {done}.")


@cli.command()
def audit(
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Say what does not add up in minutes, holds and the ledger; a server may run. Findings: exit code 1."""
    import asyncio

    import orjson

    from gateway import auditing
    from gateway.stores.auditor import Audited
    from gateway.stores.database import CannotOpen, open_database
    from gateway.stores.interface import StoreDown

    logging.disable(logging.CRITICAL)
    settings = _settings(data_dir=data_dir)

    async def audited() -> Audited:
        url = settings.database_url.get_secret_value()
        database = await open_database(url, settings.data_dir, alone=False)
        try:
            return await auditing.audit(database)
        finally:
            await database.aclose()

    try:
        found = asyncio.run(audited())
    except (CannotOpen, StoreDown) as error:
        _refuse(str(error))
    if as_json:
        typer.echo(orjson.dumps(auditing.report(found)))
    else:
        typer.echo("\n".join(auditing.lines(found)))
    if found.findings:
        raise typer.Exit(1)


@cli.command()
def engines() -> None:
    """List the engines: which are available here, and why others are not."""
    from gateway.chosen import engine_settings
    from media.engines.catalogue import Catalogue

    try:
        catalogue = Catalogue.load(engine_settings(_settings()))
    except ValueError as error:
        _refuse(str(error))
    table = Table("Engine", "Makes", "Chosen", "Here", "Languages", box=None, pad_edge=False)
    rows = catalogue.rows()
    for row in rows:
        languages = ", ".join(row.languages[:12]) + (" ..." if len(row.languages) > 12 else "")
        chosen, here = "yes" if row.chosen else "", "yes" if row.available else "no"
        table.add_row(row.name, row.kind, chosen, here, languages)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for row in rows:
        if row.reason:
            console.print(f"\n{row.name}: {row.reason}", markup=False)
    pairs = ", ".join(f"{source} to {target}" for source, target in catalogue.pairs())
    typer.echo(f"\nSubtitles served: {pairs or 'none'}")


def main() -> None:
    """Run the command; Ctrl-C ends it quietly."""
    try:
        cli()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
