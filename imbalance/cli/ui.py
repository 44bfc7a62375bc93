"""`imbalance ui`: Dagster's web server and daemon over the home, on this machine only."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import click

from imbalance.cli.application import Application, subcommand
from imbalance.errors import EXIT_FAILED, UserError

START_SECONDS = 120.0
STOP_SECONDS = 15.0


@subcommand("ui")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
@click.option("--read-only", is_flag=True, help="Look, but start nothing: no daemon either.")
@click.option("--i-have-a-proxy", "proxied", is_flag=True,
              help="Listen beyond this machine: Dagster has no log-in of its own.")
def command(
    application: Application, host: str, port: int, read_only: bool, proxied: bool
) -> None:
    """Open Dagster over the home: assets, lineage, checks, runs, schedules, the sensor.

    It runs until Ctrl-C. Schedules and the sensor act while it runs, once switched on there.

    \b
    Examples:
      imbalance ui
      imbalance --home /data/warehouse ui --port 3001
      imbalance ui --read-only

    \b
    JSON (one line, when it answers): {"address"}
    """
    from imbalance.cli.process import checkout, environment

    _check_address(host, port, proxied)
    home = application.home()
    home.check_writable()
    _ = application.config
    environ = environment(home, application.config_path)
    root = checkout()
    log = home.root / "logs" / "ui.log"
    log.parent.mkdir(exist_ok=True)
    scripts = Path(sys.executable).parent
    workspace = ["-w", str(root / "workspace.yaml")]
    server = [
        str(scripts / "dagster-webserver"), "-h", host, "-p", str(port), *workspace,
        *(["--read-only"] if read_only else []),
    ]
    daemon = [str(scripts / "dagster-daemon"), "run", *workspace]
    with log.open("a", encoding="utf-8") as errors:
        _prepare(environ, home.root, errors.fileno(), log)
        children = [
            subprocess.Popen(
                arguments, env=environ, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                start_new_session=True,
            )
            for arguments in ([server] if read_only else [server, daemon])
        ]
        try:
            _wait_for(host, port, children[0], log)
            address = f"http://{_named(host)}:{port}"
            click.echo(json.dumps({"address": address}) if application.json
                       else f"Dagster over {home.root}: {address}   (Ctrl-C ends it; log: {log})")
            while all(child.poll() is None for child in children):
                time.sleep(0.5)
            raise UserError(
                "Dagster has ended by itself", where=f"{log} holds the details",
                exit_code=EXIT_FAILED,
            )
        except KeyboardInterrupt:
            click.echo("ended", err=True)
        finally:
            _end(children)


def _named(host: str) -> str:
    """An address that is listened on as it stands in a browser's line."""
    if host == "localhost":
        return host
    found = ipaddress.ip_address(host)
    if found.is_unspecified:  # all of the machine's, this one too
        return "127.0.0.1"
    return f"[{found}]" if found.version == 6 else host


def _check_address(host: str, port: int, proxied: bool) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise UserError(
            f"{host!r} is no address", where="--host", allowed="127.0.0.1, ::1 or localhost"
        ) from None
    if not loopback and not proxied:
        raise UserError(
            f"{host} would show the home to the network, and Dagster asks nobody for a password",
            where="--host", allowed="127.0.0.1, ::1 or localhost",
            fix="put a proxy that asks before it, then add --i-have-a-proxy",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(
                f"port {port} on {host} cannot be used: {error.strerror}", where="--port",
                fix=f"end what listens there, or take another: --port {port + 1}",
            ) from None


def _prepare(environ: dict[str, str], home: Path, errors: int, log: Path) -> None:
    """Make the Dagster instance before two processes would do so at once."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipelines.instance", str(home)], env=environ, check=False,
        stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
    )
    if done.returncode:
        raise UserError(
            "Dagster cannot be prepared for this home", where=f"{log} holds the details",
            fix="imbalance doctor", exit_code=EXIT_FAILED,
        )


def _wait_for(host: str, port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket(family) as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((host, port)) == 0:
                return
        time.sleep(0.2)
    raise UserError(
        "Dagster's web server does not answer", where=f"{log} holds the details",
        exit_code=EXIT_FAILED,
    )


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=STOP_SECONDS)
        if child.poll() is None:
            child.kill()
            child.wait()
