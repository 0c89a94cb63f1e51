"""The command line: options in, one library call, an exit status out.

In: arguments.  Out: what the called part prints; errors as one readable line each on stderr.
Never: work of its own; heavy imports before a command needs them.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from sniffer import __version__
from sniffer.errors import EXIT_FAILURE, EXIT_OK, OutputError, SnifferError, UsageError
from sniffer.garbage import seldom_collected

if TYPE_CHECKING:
    from sniffer.config import Config
    from sniffer.ruleset import RuleSet

app = typer.Typer(
    name="sniffer",
    help="Recognises cryptocurrency mining on a mirror port and counts hits per IP address for Prometheus.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
rules_app = typer.Typer(
    help="Check, list, test and explain rules.", no_args_is_help=True, rich_markup_mode=None
)
config_app = typer.Typer(
    help="Check and show the configuration.", no_args_is_help=True, rich_markup_mode=None
)
history_app = typer.Typer(help="Look after the history.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(rules_app, name="rules")
app.add_typer(history_app, name="history")
app.add_typer(config_app, name="config")
tenants_app = typer.Typer(
    help="Check tenants; say whose an address is.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(tenants_app, name="tenants")
evidence_app = typer.Typer(
    help="List, verify, replay and purge evidence.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(evidence_app, name="evidence")

OUTPUT_FAULTS = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC})
"""What writing to standard output may fail with; other files have their own words for it."""

RulesOption = Annotated[
    list[Path] | None,
    typer.Option("--rules", metavar="DIR", help="Folder of rules; repeatable. Default: the shipped ones."),
]
ParanoidOption = Annotated[
    bool,
    typer.Option(
        "--paranoid", help="Find each answer of the rules twice, with and without index, and compare."
    ),
]
ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration file.")]


def main() -> NoReturn:
    """Run the command line; turn errors into lines and statuses."""
    _occupy_closed_streams()
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except SnifferError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        status = error.exit_status
    except typer.Exit as stop:
        status = stop.exit_code
    except typer.Abort:
        status = 130
    except BrokenPipeError:
        # The reader of our output has gone; say nothing more to it.
        _give_up_output()
        status = EXIT_FAILURE
    except OSError as fault:
        if fault.errno not in OUTPUT_FAULTS:
            raise
        _give_up_output()
        told = OutputError(
            f"standard output cannot be written: {fault.strerror}", remedy="make room, or name another file"
        )
        print("\n".join(told.lines()), file=sys.stderr)
        status = told.exit_status
    except KeyboardInterrupt:
        status = 130
    except Exception as error:
        if not hasattr(error, "format_message"):  # everything else that click raises knows how to show itself
            raise
        print(f"error: {error.format_message()}; see sniffer --help", file=sys.stderr)
        status = UsageError.exit_status
    gc.freeze()  # the process ends: Python would look through all it holds, for a third of a second
    sys.exit(status if isinstance(status, int) else EXIT_OK)


def _occupy_closed_streams() -> None:
    """Let nothing that is opened later become standard output or error, where the shell has closed these."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        null = os.open(
            os.devnull, os.O_RDONLY if name == "stdout" else os.O_RDWR
        )  # results must not seem written
        if null != number:
            os.dup2(null, number)
        setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", closefd=False))


def _give_up_output() -> None:
    """Write nothing more to standard output, also at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def load_ruleset(rules: list[Path] | None, config: Config | None = None) -> RuleSet:
    """The rules that the command line, the configuration or the package names."""
    from sniffer.owners.files import read_sources
    from sniffer.paths import rule_folders
    from sniffer.ruleset import load_rules

    tenants = read_sources(config.sources).owners.names if config else []
    return load_rules(rule_folders(rules, config.rules.directories if config else None), tenants or None)


# ── scan ─────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def scan(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Capture files, folders, or - for a pipe.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Event lines, then one stats object; nothing else.")
    ] = False,
    rules: RulesOption = None,
    config: ConfigOption = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=64, help="Files scanned at the same time.")] = 1,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="The files are pieces of one capture.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Users, workers and passwords as keyed hashes.")
    ] = False,
    fail_on_hit: Annotated[
        bool, typer.Option("--fail-on-hit", help="Status 3 when something was found.")
    ] = False,
    paranoid: ParanoidOption = False,
) -> int:
    """Look for mining in capture files."""
    with seldom_collected():
        from sniffer import report
        from sniffer.capture.savefile import find_captures
        from sniffer.config import load_config
        from sniffer.owners.asking import load_holders
        from sniffer.owners.files import read_sources
        from sniffer.scan import ScanSettings, exit_status, scan_files, stats, warm_up
        from sniffer.sinks.event import encode
        from sniffer.sinks.privacy import Privacy

        settings = load_config(config)
        ruleset = load_ruleset(rules, settings)
        paths = find_captures(files)
        with report.compiling(quiet=as_json and sys.stdout.isatty()) as tell:
            warm_up(tell)
    gc.freeze()  # all this stays: a look for waste need not go through it
    privacy = Privacy(os.urandom(32) if private else None)
    timeline, _, told = load_holders(settings.ownership, privacy.hide)
    scan_settings = ScanSettings(
        engine=settings.engine(paranoid=paranoid),
        sensor=settings.sensor.name,
        privacy=privacy,
        json=as_json,
        continuous=continuous,
        jobs=jobs,
        owners=read_sources(settings.sources).owners,
        holders=tuple(timeline.changes()),
        overhead=settings.size.overhead,
    )
    for line in told:
        print(f"warning: {line}", file=sys.stderr)
    for entry in ruleset.suppressions.expired(datetime.now(UTC).date()):
        print(f"warning: {entry.where}: has expired on {entry.until}", file=sys.stderr)

    def write(line: bytes) -> None:
        sys.stdout.buffer.write(line)

    with report.progress(len(paths), quiet=as_json and sys.stdout.isatty()) as advance:
        result = scan_files(paths, ruleset, scan_settings, write, advance)
    if as_json:
        write(encode(stats(result)))
        sys.stdout.buffer.flush()
    else:
        report.print_result(result)
    for line in result.faults:
        print(line, file=sys.stderr)
    for rule in result.differing:
        print(
            f"error: rules: the matchers disagree about {rule}: a defect; the plain one was believed",
            file=sys.stderr,
        )
    return exit_status(result, fail_on_hit=fail_on_hit)


# ── run ──────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def run(
    config: ConfigOption = None,
    interface: Annotated[
        list[str] | None, typer.Option("--interface", "-i", metavar="NAME", help="Mirror port; repeatable.")
    ] = None,
    replay: Annotated[
        str | None, typer.Option("--replay", metavar="FILE", help="A capture file in place of a port.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Replay again and again.")] = False,
    speed: Annotated[float, typer.Option("--speed", min=0, help="1 as recorded, 0 as fast as possible.")] = 0,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Where /metrics is served.")
    ] = None,
    table: Annotated[bool, typer.Option("--table", help="Show offending addresses as they come.")] = False,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0, help="Read for so long; 0: until told to stop.")
    ] = 0,
    rules: RulesOption = None,
    paranoid: ParanoidOption = False,
) -> int:
    """Watch a mirror port and serve metrics until told to stop."""
    from sniffer.config import load_config
    from sniffer.control.daemon import Options, run_daemon

    if replay and interface:
        raise UsageError("--replay and --interface exclude each other", remedy="choose one")
    if loop and not replay:
        raise UsageError("--loop needs --replay FILE")
    settings = load_config(config)
    options = Options(
        interfaces=tuple(interface or settings.capture.interfaces),
        replay=replay,
        loop=loop,
        speed=speed,
        listen=listen or settings.http.listen,
        table=table,
        seconds=seconds,
        rules=tuple(rules or ()),
        paranoid=paranoid,
    )
    if not options.interfaces and not replay:
        raise UsageError(
            "no interface to watch",
            remedy="give --interface NAME, or capture.interfaces in the configuration",
        )
    return run_daemon(settings, options)


# ── top ──────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def top(
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Of the daemon. Default: by the configuration.")
    ] = None,
    config: ConfigOption = None,
    by: Annotated[
        Literal["hits", "last"], typer.Option("--by", metavar="hits|last", help="Order of the addresses.")
    ] = "hits",
    interval: Annotated[float, typer.Option("--interval", min=0.5, max=60, help="Seconds.")] = 1.5,
    once: Annotated[
        bool, typer.Option("--once", help="One table; so it is where the output is no terminal.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same once, as one object.")] = False,
    ca: Annotated[
        Path | None, typer.Option("--ca", metavar="FILE", help="Who signed the daemon's certificate (PEM).")
    ] = None,
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="If the daemon asks for one.")] = "",
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="Its first line is the password.")
    ] = None,
) -> int:
    """Show who mines, live, from a running daemon."""
    from sniffer.control.top import Daemon, Top, address_of, read_password, show
    from sniffer.control.top import as_json as told_as_json

    if bool(user) != (password_file is not None):
        raise UsageError("--user and --password-file need each other")
    password = read_password(password_file) if password_file is not None else ""
    daemon = Daemon(url or address_of(config), ca=ca, user=user, password=password)
    if as_json:
        print(told_as_json(daemon))
        return EXIT_OK
    with contextlib.suppress(KeyboardInterrupt):  # the way out
        show(Top(daemon, by), once=once, interval=interval)
    return EXIT_OK


# ── doctor ───────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def doctor(
    interface: Annotated[
        list[str] | None, typer.Option("--interface", "-i", metavar="NAME", help="Mirror port; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, max=3_600, help="Listen for so long.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one object.")] = False,
    config: ConfigOption = None,
    rules: RulesOption = None,
) -> int:
    """Say what keeps the sensor from seeing, and what to do about it."""
    from sniffer import report
    from sniffer.config import load_config
    from sniffer.doctor.visit import Visit

    settings = load_config(config)
    visit = Visit(interface or settings.capture.interfaces, settings)
    found = visit.look()
    if not as_json:
        report.print_findings(found)
        sys.stdout.flush()
    if visit.can_listen:
        ruleset = load_ruleset(rules, settings)
        with report.countdown(seconds, quiet=as_json and sys.stdout.isatty()) as advance:
            found = visit.listen(ruleset, seconds, advance)
        if not as_json:
            report.print_findings(found)
    if as_json:
        print(json.dumps(visit.as_dict(), indent=2))
    return visit.exit_status


# ── report ───────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def report(
    history: Annotated[
        Path | None,
        typer.Option("--history", metavar="FILE", help="History to ask. Default: by the configuration."),
    ] = None,
    events: Annotated[
        list[Path] | None,
        typer.Option(
            "--events", metavar="FILE", help="Event lines in its place, of many sensors; repeatable."
        ),
    ] = None,
    config: ConfigOption = None,
    since: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Date or ISO time. Default: 30 days before the end.")
    ] = "",
    until: Annotated[
        str,
        typer.Option("--to", metavar="TIME", help="First moment behind the period. Default: the newest row."),
    ] = "",
    by: Annotated[
        Literal["tenant", "site", "district", "kind", "pool", "coin"],
        typer.Option("--by", metavar="tenant|site|district|kind|pool|coin", help="What is ranked."),
    ] = "tenant",
    form: Annotated[
        Literal["html", "csv", "json"],
        typer.Option("--format", metavar="html|csv|json", help="A page, tables, or one object."),
    ] = "html",
    language: Annotated[
        Literal["en", "zh", "both"], typer.Option("--language", metavar="en|zh|both", help="Of the page.")
    ] = "en",
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Default: standard output; for csv a folder."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=1, max=10_000, help="Most rows of each table on the page.")
    ] = 50,
) -> int:
    """Say how much was mined in a period, by whom, and what the sensor could not see."""
    from sniffer.campaign.command import Options, check, history_file, make
    from sniffer.campaign.events import Events
    from sniffer.config import load_config
    from sniffer.history.query import Reader

    options = Options(since, until, by, form, language, output, top)
    check(options)
    settings = load_config(config)
    if events and history:
        raise UsageError("--events and --history exclude each other", remedy="choose one")
    rules = load_ruleset(None, settings).version
    if events:
        with Events(events) as lines:
            make(lines, options, rules=rules)
        return EXIT_OK
    with Reader(history or history_file(settings)) as reader:
        make(reader, options, sensor=settings.sensor.name, rules=rules)
    return EXIT_OK


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────


@rules_app.command("check")
def rules_check(
    rules: RulesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one object.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Status 78 with warnings, too.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Show every check, and run none.")] = False,
) -> int:
    """Load rules and lists, run every example and every check: findings with file, line and column."""
    from sniffer import report, rulereport
    from sniffer.checks import check_folders
    from sniffer.paths import rule_folders

    if show:
        rulereport.print_checks()
        return EXIT_OK
    with report.compiling(quiet=as_json and sys.stdout.isatty()) as tell:
        outcome = check_folders(rule_folders(rules), tell=tell)
    if as_json:
        rulereport.as_json(outcome.as_dict())
    else:
        rulereport.print_outcome(outcome)
    return outcome.exit_status(strict=strict)


@rules_app.command("list")
def rules_list(
    rules: RulesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as a list of objects.")] = False,
) -> int:
    """Show every rule on a line."""
    from sniffer import rulereport

    ruleset = load_ruleset(rules)
    if as_json:
        rulereport.as_json([rulereport.rule_as_dict(rule) for rule in ruleset.rules])
    else:
        rulereport.print_rules(ruleset)
    return EXIT_OK


@rules_app.command("test")
def rules_test(
    what: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…] [FILE…]", help="Rules; capture files or folders.")
    ] = None,
    rules: RulesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="With files: the same as one object.")] = False,
) -> int:
    """Run the examples of rules; with capture files: run the rules on them, and count what each one hits."""
    from sniffer import report, rulereport
    from sniffer.capture.savefile import find_captures
    from sniffer.scan import ScanSettings, exit_status, scan_files, warm_up

    ruleset = load_ruleset(rules)
    known = {rule.id: rule for rule in ruleset.rules}
    files = [
        one
        for one in what or ()
        if one not in known and (one == "-" or "." in one or "/" in one or Path(one).exists())
    ]
    chosen = [rulereport.find_rule(ruleset, one) for one in what or () if one not in files] or list(
        known.values()
    )
    if not files:
        if as_json:
            raise UsageError("--json needs capture files", remedy="see rules check --json for examples")
        return rulereport.print_examples(ruleset, chosen)
    paths = find_captures(files)
    with report.compiling(quiet=as_json and sys.stdout.isatty()) as tell:
        warm_up(tell)
    with report.progress(len(paths), quiet=as_json and sys.stdout.isatty()) as advance:
        result = scan_files(paths, ruleset, ScanSettings(), lambda _line: None, advance)
    if as_json:
        rulereport.as_json(rulereport.hits_as_dict(result, chosen))
    else:
        rulereport.print_hits(result, chosen)
    for line in result.faults:
        print(line, file=sys.stderr)
    return exit_status(result, fail_on_hit=False)


@rules_app.command("explain")
def rules_explain(
    identifier: Annotated[str, typer.Argument(metavar="ID")],
    rules: RulesOption = None,
) -> int:
    """Say what a rule needs, how sure it is, what it was tested on, what it sees and misses."""
    from sniffer import rulereport

    rulereport.print_rule(load_ruleset(rules), identifier)
    return EXIT_OK


@rules_app.command("lists")
def rules_lists(
    rules: RulesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one array.")] = False,
) -> int:
    """Show every named list: what it holds, how many, from where and of when."""
    from sniffer import rulereport

    ruleset = load_ruleset(rules)
    if as_json:
        rulereport.as_json([row._asdict() for row in ruleset.lists.overview()])
    else:
        rulereport.print_lists(ruleset)
    return EXIT_OK


@rules_app.command("update")
def rules_update(
    source: Annotated[
        Path, typer.Option("--from", metavar="FILE|DIR", help="New entries: plain text, CSV or a hosts file.")
    ],
    rules: RulesOption = None,
    config: ConfigOption = None,
    name: Annotated[
        str, typer.Option("--list", metavar="NAME", help="List to update. Default: named as the file is.")
    ] = "",
    kind: Annotated[
        str, typer.Option("--format", metavar="text|csv|hosts", help="Of the file. Default: as it looks.")
    ] = "",
    column: Annotated[
        str, typer.Option("--column", metavar="NAME", help="Column of a CSV file that holds the entries.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference; write nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Believe a list of less than half the entries.")
    ] = False,
) -> int:
    """Bring a list of your own up to date from a file, offline; show what changes."""
    from sniffer import rulereport
    from sniffer.config import load_config
    from sniffer.listupdate import Source, update
    from sniffer.paths import rule_folders

    folders = rule_folders(rules, load_config(config).rules.directories)
    today = datetime.now(UTC).date()
    changes = update(
        Source(source, kind, column),
        folders,
        today,
        name=name.removeprefix("@"),
        force=force,
        dry_run=dry_run,
    )
    rulereport.print_changes(changes, written=not dry_run)
    return EXIT_OK


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────────────

DirectoryOption = Annotated[
    Path | None,
    typer.Option("--directory", metavar="D", help="Folder of evidence. Default: by the configuration."),
]


@evidence_app.command("list")
def evidence_list(
    directory: DirectoryOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one array.")] = False,
) -> int:
    """Show every bundle on a line."""
    from sniffer.config import load_config
    from sniffer.evidence.command import folder_of, print_list

    return print_list(folder_of(directory, load_config(config)), as_json=as_json)


@evidence_app.command("verify")
def evidence_verify(
    bundle: Annotated[str | None, typer.Argument(metavar="[BUNDLE]", help="Folder, name or number.")] = None,
    directory: DirectoryOption = None,
    config: ConfigOption = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Public key that must have signed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one object.")] = False,
) -> int:
    """Check every hash, the chain and the signatures; name what is not as it was written."""
    from sniffer.evidence.command import print_verified

    return print_verified(bundle, directory, config, key, as_json=as_json)


@evidence_app.command("replay")
def evidence_replay(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Folder, name or number.")],
    directory: DirectoryOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one object.")] = False,
) -> int:
    """Judge the packets of a bundle again by its own rules, and say whether each verdict comes out again."""
    from sniffer import report
    from sniffer.evidence.command import print_replayed
    from sniffer.scan import warm_up

    with report.compiling(quiet=as_json and sys.stdout.isatty()) as tell:
        warm_up(tell)
    return print_replayed(bundle, directory, config, as_json=as_json)


@evidence_app.command("purge")
def evidence_purge(
    bundles: Annotated[
        list[str] | None, typer.Argument(metavar="[BUNDLE…]", help="Names or numbers. Default: by age.")
    ] = None,
    directory: DirectoryOption = None,
    config: ConfigOption = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="TIME", help="Such as 30d. Default: evidence.keep.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Goes into the chain.")] = "",
) -> int:
    """Take bundles away; the chain keeps a line about each."""
    from sniffer.config import load_config, read_duration
    from sniffer.evidence.command import purge

    try:
        seconds = None if older_than is None else read_duration(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from None
    return purge(bundles or (), directory, load_config(config), seconds, reason)


# ── config, schema, version ──────────────────────────────────────────────────────────────────────────────


@config_app.command("check")
def config_check(file: Annotated[Path | None, typer.Argument(metavar="[FILE]")] = None) -> int:
    """Everything that run does, short of opening the interface."""
    from sniffer.control.preflight import check

    print(check(file))
    return EXIT_OK


@config_app.command("show")
def config_show(file: Annotated[Path | None, typer.Argument(metavar="[FILE]")] = None) -> int:
    """Show the settings in effect."""
    import yaml

    from sniffer.config import load_config

    print(
        yaml.safe_dump(load_config(file).model_dump(mode="json"), sort_keys=False, allow_unicode=False),
        end="",
    )
    return EXIT_OK


@tenants_app.command("check")
def tenants_check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE…]", help="Files of tenants. Default: those of the configuration."),
    ] = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one object.")] = False,
) -> int:
    """Read tenants and logs of mappings: faults, and which networks, VLANs and sessions overlap, and who has them then."""
    from sniffer.config import load_config
    from sniffer.owners import report

    settings = load_config(config)
    outcome = report.check(settings, files or None, str(config or "tenants"))
    print(json.dumps(outcome.as_dict(), indent=2) if as_json else "\n".join(outcome.lines()))
    return outcome.exit_status


@tenants_app.command("of")
def tenants_of(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Of the host that mines.")],
    at: Annotated[
        str,
        typer.Option(
            "--at", metavar="TIME", help="2026-11-23T08:00:00Z, or seconds since 1970. Default: now."
        ),
    ] = "",
    vlan: Annotated[str, typer.Option("--vlan", metavar="S.C", help="VLANs it was seen in.")] = "",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Its port, behind a NAT.")] = 0,
    pppoe: Annotated[str, typer.Option("--pppoe", metavar="ID", help="PPPoE session it was seen in.")] = "",
    l2tp: Annotated[str, typer.Option("--l2tp", metavar="T.S", help="L2TP session it was seen in.")] = "",
    mpls: Annotated[str, typer.Option("--mpls", metavar="LABEL", help="MPLS label it was seen with.")] = "",
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one object.")] = False,
) -> int:
    """Say whose an address is, or was at a time, and why."""
    from sniffer.config import load_config
    from sniffer.owners import report

    seen = report.read_seen(address, at, port, vlan=vlan, pppoe=pppoe, l2tp=l2tp, mpls=mpls)
    answer = report.ask(load_config(config), seen)
    for line in answer.warnings:
        print(f"warning: {line}", file=sys.stderr)
    print(json.dumps(answer.as_dict(), indent=2) if as_json else "\n".join(answer.lines()))
    return EXIT_OK


@history_app.callback()
def history() -> None:
    """Look after the history."""


@history_app.command("forget")
def history_forget(
    host: Annotated[str, typer.Argument(metavar="HOST", help="Address as the history shows it.")],
    config: ConfigOption = None,
) -> int:
    """Remove everything about a host from the history. The daemon must not be running."""
    from sniffer.config import load_config
    from sniffer.history.forget import forget

    print(forget(load_config(config), host))
    return EXIT_OK


@app.command()
def schema(what: Annotated[str, typer.Argument(metavar="config|rules|event|report")]) -> int:
    """Print a JSON Schema, for editors."""
    print(json.dumps(schema_of(what), indent=2))
    return EXIT_OK


def schema_of(what: str) -> dict[str, Any]:
    """The JSON Schema of one kind of file."""
    if what == "config":
        from sniffer.config import Config

        return Config.model_json_schema()
    if what == "rules":
        from sniffer.ruleset.schema import rules_schema

        return rules_schema()
    if what == "event":
        from sniffer.sinks.schema import event_schema

        return event_schema()
    if what == "report":
        from sniffer.campaign.model import report_schema

        return report_schema()
    raise UsageError(f"there is no schema {what!r}", remedy="choose config, rules, event or report")


@app.command()
def version() -> int:
    """Show the version of the program and of the shipped rules."""
    print(f"sniffer {__version__}, rules {load_ruleset(None).version}")
    return EXIT_OK
