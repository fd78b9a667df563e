"""Looks into a database of the sqlite backend without taking part in it."""
import contextlib
import sqlite3
import urllib.parse


def _connect(path, mode):
    connection = sqlite3.connect("file:%s?mode=%s" % (urllib.parse.quote(path), mode), uri=True, timeout=20,
                                 isolation_level=None)
    if mode == "rw":
        # No checkpoint at the close: it is not for us to make one.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    return contextlib.closing(connection)


def rows(path, query, *values):
    with _connect(path, "ro") as connection:
        return connection.execute(query, values).fetchall()


def write(path, statement, *values):
    """Only while no other process is at work: a test's way to age or damage a row."""
    with _connect(path, "rw") as connection:
        return connection.execute(statement, values).rowcount


@contextlib.contextmanager
def locked(path):
    """Another process is in the midst of a write."""
    with _connect(path, "rw") as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def dump(path, without=("owners", "counters")):
    """Every row of every table, but of those that each opening moves."""
    with _connect(path, "ro") as connection:
        names = [name for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")]
        return {name: sorted(connection.execute("SELECT * FROM " + name).fetchall(), key=repr)
                for name in names if name not in without}
