"""Tests of the facade: what a client of ClickHouse relies on, asked over HTTP.

    VENV/bin/python -B tests/services/clickhouse/test_facade.py
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))


class Facade:
    """The program on a free port and a directory of its own."""

    def __init__(self, *arguments):
        self.directory = tempfile.TemporaryDirectory()
        self.process = None
        self.start(*arguments)

    def start(self, *arguments):
        command = [sys.executable, "-B", HERE, "--port", "0", "--path", self.directory.name, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        assert words[:1] == ["ready"], words
        self.url = words[1]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def close(self):
        self.kill()
        self.directory.cleanup()

    def ask(self, sql, body=None, headers=None, **parameters):
        """The status, the error code (0 without one), and the answer's bytes."""
        url = f"{self.url}/?{urllib.parse.urlencode({'query': sql, **parameters})}"
        request = urllib.request.Request(url, data=body or b"", headers=headers or {}, method="POST")
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, 0, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, int(error.headers["X-ClickHouse-Exception-Code"]), error.read()


class Statements(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.facade = Facade()

    @classmethod
    def tearDownClass(cls):
        cls.facade.close()

    def done(self, sql, body=None, **parameters):
        status, code, answer = self.facade.ask(sql, body, **parameters)
        self.assertEqual((status, code), (200, 0), answer)
        return answer

    def refused(self, sql, **parameters):
        status, code, answer = self.facade.ask(sql, **parameters)
        self.assertIn(f"Code: {code}.".encode(), answer)
        return status, code

    def test_rows_come_back_as_they_went_in(self):
        self.done("CREATE TABLE rows (n UInt32, bytes String) ENGINE = MergeTree ORDER BY n")
        body = b"".join(n.to_bytes(4, "little") + b"\x03\x00\xff\n" for n in range(100_000))
        self.done("INSERT INTO rows (n, bytes) FORMAT RowBinary", body)
        self.assertEqual(self.done("SELECT count(), uniqExact(n) FROM rows"), b"100000\t100000\n")
        self.assertEqual(self.done("SELECT n, bytes FROM rows ORDER BY n FORMAT RowBinary"), body)

    def test_names_and_types_stand_once_before_many_blocks(self):
        answer = self.done(
            "SELECT number AS n FROM numbers(200000) FORMAT RowBinaryWithNamesAndTypes", max_block_size=1000
        )
        head = b"\x01\x01n\x06UInt64"
        self.assertEqual(answer, head + b"".join(n.to_bytes(8, "little") for n in range(200_000)))
        empty = self.done("SELECT number AS n FROM numbers(0) FORMAT RowBinaryWithNamesAndTypes")
        self.assertEqual(empty, head)

    def test_one_refused_row_refuses_the_insert(self):
        self.done("CREATE TABLE picky (n UInt32, CONSTRAINT small CHECK n < 10) ENGINE = MergeTree ORDER BY n")
        for body, code in [(b"\x01\0\0\0\x0a\0\0\0", 469), (b"\x01\0\0\0\x02", 33)]:
            status, found, answer = self.facade.ask("INSERT INTO picky FORMAT RowBinary", body)
            self.assertEqual(found, code, answer)
            self.assertGreaterEqual(status, 400)
        self.assertEqual(self.done("SELECT count() FROM picky"), b"0\n")

    def test_an_insert_says_how_many_rows_it_wrote(self):
        self.done("CREATE TABLE counted (n UInt8) ENGINE = MergeTree ORDER BY n")
        url = f"{self.facade.url}/?{urllib.parse.urlencode({'query': 'INSERT INTO counted FORMAT RowBinary'})}"
        with urllib.request.urlopen(url, data=b"\x01\x02\x03") as answer:
            self.assertEqual(json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"], "3")

    def test_a_replaced_row_is_seen_once(self):
        self.done("CREATE TABLE winners (k UInt8, v UInt8) ENGINE = ReplacingMergeTree(v) ORDER BY k")
        for version in (2, 1):
            self.done(f"INSERT INTO winners VALUES (1, {version})")
        self.assertEqual(self.done("SELECT count() FROM winners"), b"2\n")
        self.assertEqual(self.done("SELECT v FROM winners FINAL"), b"2\n")

    def test_parameters_are_data(self):
        self.assertEqual(self.done("SELECT {text:String}", param_text="a' OR 1"), b"a\\' OR 1\n")

    def test_refusals_have_codes(self):
        self.assertEqual(self.refused("SELECT * FROM no_such_table"), (404, 60))
        self.assertEqual(self.refused("SELEC 1"), (400, 62))
        self.assertEqual(self.refused("SELECT 1", no_such_setting=1), (404, 115))
        self.assertEqual(self.refused("SELECT 1", database="nowhere")[1], 81)

    def test_an_insert_that_ends_early_stores_nothing(self):
        self.done("CREATE TABLE early (n UInt32) ENGINE = MergeTree ORDER BY n")
        address = urllib.parse.urlsplit(self.facade.url)
        query = urllib.parse.quote("INSERT INTO early FORMAT RowBinary")
        with socket.create_connection((address.hostname, address.port)) as client:
            client.sendall(f"POST /?query={query} HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n".encode())
            client.sendall(b"\x01\x00\x00\x00")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(100), b"")
        self.assertEqual(self.done("SELECT count() FROM early"), b"0\n")

    def test_an_unknown_path_is_not_fine(self):
        with self.assertRaises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{self.facade.url}/pong")
        self.assertEqual(raised.exception.code, 404)
        raised.exception.close()

    def test_a_get_changes_nothing(self):
        url = f"{self.facade.url}/?{urllib.parse.urlencode({'query': 'CREATE TABLE got (n UInt8) ENGINE = Memory'})}"
        with self.assertRaises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(url)
        self.assertIn(b"Code: 164.", raised.exception.read())
        raised.exception.close()


class Rights(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.facade = Facade("--deny", "alter table \\S+ delete", "--deny", "INSERT", "--user", "reader:secret")

    @classmethod
    def tearDownClass(cls):
        cls.facade.close()

    def ask(self, sql, body=None, password="secret"):
        headers = {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": password}
        return self.facade.ask(sql, body, headers)[:2]

    def test_who_is_not_listed_stays_out(self):
        self.assertEqual(self.ask("SELECT 1"), (200, 0))
        self.assertEqual(self.ask("SELECT 1", password="guessed"), (403, 516))

    def test_denied_statements_answer_as_a_missing_grant(self):
        self.assertEqual(self.ask("CREATE TABLE t (n UInt8, m UInt8) ENGINE = MergeTree ORDER BY n"), (200, 0))
        self.assertEqual(self.ask("ALTER  TABLE t\n DELETE WHERE n = 1"), (403, 497))
        self.assertEqual(self.ask("/* why */ Alter table t delete where n = 1"), (403, 497))
        self.assertEqual(self.ask("", b"-- why\nALTER TABLE t DELETE WHERE n = 1"), (403, 497))
        self.assertEqual(self.ask("INSERT INTO t FORMAT RowBinary", b"\x01"), (403, 497))
        # No other statement is: not one that only speaks of it, and not its like.
        self.assertEqual(self.ask("SELECT 'ALTER TABLE t DELETE'"), (200, 0))
        self.assertEqual(self.ask("ALTER TABLE t UPDATE m = 1 WHERE 0"), (200, 0))
        self.assertEqual(self.ask("SELECT count() FROM t"), (200, 0))


class Restart(unittest.TestCase):
    def test_what_was_answered_survives_a_kill(self):
        facade = Facade()
        try:
            facade.ask("CREATE TABLE kept (n UInt8) ENGINE = MergeTree ORDER BY n")
            self.assertEqual(facade.ask("INSERT INTO kept VALUES (7)")[:2], (200, 0))
            facade.kill()
            facade.start()
            self.assertEqual(facade.ask("SELECT n FROM kept"), (200, 0, b"7\n"))
        finally:
            facade.close()


if __name__ == "__main__":
    unittest.main()
