"""The engine in this process, its connections and its sessions."""

import re
import threading
from contextlib import contextmanager
from urllib.parse import quote

import chdb
from chdb.state import sqlitelike  # noqa: F401  (gives chdb its `connect`)

from errors import ClickHouseError


class Session:
    """A connection that keeps its settings and temporary tables; one query at a time."""

    def __init__(self):
        self.lock = threading.Lock()
        self.connection = None


class Engine:
    def __init__(self, path, config_file=None):
        self.path = path
        self.options = [f"config-file={config_file}"] if config_file else []
        # For connecting and for the map of sessions; queries run beside each other.
        self.lock = threading.Lock()
        self.sessions = {}
        # The engine ends with its last connection: this one is never closed.
        self.keeper = self.connect({}, None)
        self.version = self.text("SELECT version()")
        self.timezone = self.text("SELECT timezone()")
        self.settings = set(self.text("SELECT name FROM system.settings").split("\n"))

    def text(self, sql):
        return bytes(self.keeper.query(sql, "TSV").bytes() or b"").decode().strip()

    def connect(self, settings, database):
        options = self.options + [f"{name}={quote(value, safe='')}" for name, value in settings.items()]
        with self.lock:
            try:
                connection = chdb.connect(self.path + ("?" + "&".join(options) if options else ""))
            except Exception as error:
                message = re.sub(r"^Failed to create connection: ", "", str(error))
                raise ClickHouseError(message) from error
        if database:
            try:
                use(connection, database)
            except ClickHouseError:
                connection.close()
                raise
        return connection

    @contextmanager
    def connection(self, settings, database, session_id):
        """A connection for one query: of the session if there is one, else of its own."""
        self.refuse_unknown(settings)
        if not session_id:
            connection = self.connect(settings, database)
            try:
                yield connection
            finally:
                connection.close()
            return
        with self.lock:
            session = self.sessions.setdefault(session_id, Session())
        with session.lock:
            if session.connection is None:
                session.connection = self.connect({}, None)
            for name, value in settings.items():
                session.connection.query(f"SET {name} = '{escaped(value)}'", "Null")
            if database:
                use(session.connection, database)
            yield session.connection

    def refuse_unknown(self, settings):
        """chDB passes over settings that it does not know; a server does not."""
        for name in settings:
            if name not in self.settings:
                raise ClickHouseError.of(
                    115,
                    f"Setting {name} is neither a builtin setting nor started with the prefix 'SQL_' "
                    "registered for user-defined settings.",
                    "UNKNOWN_SETTING",
                )


def use(connection, database):
    try:
        connection.query("USE `" + database.replace("\\", "\\\\").replace("`", "\\`") + "`", "Null")
    except Exception as error:
        raise ClickHouseError.from_engine(error) from error


def escaped(value):
    return value.replace("\\", "\\\\").replace("'", "\\'")
