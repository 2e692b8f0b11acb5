"""The HTTP interface: paths, parameters, users; statements go on to `statements.py`."""

import base64
import re
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from body import Body
from errors import OURS, ClickHouseError
from statements import Statement

# Parameters that are no settings.
RESERVED = {
    "buffer_size",
    "close_session",
    "compress",
    "database",
    "decompress",
    "default_format",
    "password",
    "query",
    "query_id",
    "quota_key",
    "role",
    "session_check",
    "session_id",
    "session_timeout",
    "stacktrace",
    "user",
    "wait_end_of_query",
}
PARAMETER = "param_"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    # Set once, before the server listens.
    engine = None
    users = None
    denials = None

    def log_message(self, *_):
        """Nothing: a request holds what tests store."""

    def do_GET(self):
        self.serve(is_get=True)

    def do_POST(self):
        self.serve(is_get=False)

    def serve(self, is_get):
        self.query_id = str(uuid.uuid4())
        url = urlsplit(self.path)
        if url.path == "/ping" or (url.path == "/" and is_get and not url.query):
            return self.answer(200, b"Ok.\n", [("Content-Type", "text/html; charset=UTF-8")])
        if url.path == "/replicas_status":
            return self.answer(200, b"Ok.\n")
        if url.path != "/":  # As a server: never a silent "Ok." for a path that it does not know.
            self.close_connection = True
            text = f"There is no handle {url.path}\n".encode()
            return self.answer(404, text, [("Connection", "close")])
        self.body = Body(self)
        try:
            self.run(dict(parse_qsl(url.query, keep_blank_values=True)), is_get)
        except ClickHouseError as error:
            self.refuse(error)
        except (EOFError, ConnectionError):
            self.close_connection = True
        except Exception as error:  # A fault of this program, not of the engine.
            self.refuse(ClickHouseError(f"Code: {OURS}. DB::Exception: facade: {error!r}"))

    def run(self, query, is_get):
        user = self.authenticated(query)
        self.query_id = query.get("query_id", self.query_id)
        parameters = {
            name[len(PARAMETER) :]: value for name, value in query.items() if name.startswith(PARAMETER)
        }
        sql = query.get("query", "").encode()
        if self.headers.get("Content-Type", "").startswith("multipart/form-data"):
            sql = self.form(parameters) or sql
        settings = {
            name: value
            for name, value in query.items()
            if name not in RESERVED and not name.startswith(PARAMETER)
        }
        if is_get:
            settings["readonly"] = "2"
        database = query.get("database") or self.headers.get("X-ClickHouse-Database")
        with self.engine.connection(settings, database, query.get("session_id")) as connection:
            Statement(self, connection, parameters, query, user).run(sql)

    def authenticated(self, query):
        user = query.get("user") or self.headers.get("X-ClickHouse-User")
        password = query.get("password") or self.headers.get("X-ClickHouse-Key")
        authorization = self.headers.get("Authorization", "")
        if authorization.startswith("Basic "):
            user, _, password = base64.b64decode(authorization[6:]).decode().partition(":")
        user, password = user or "default", password or ""
        if self.users is not None and self.users.get(user) != password:
            raise ClickHouseError.of(
                516,
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name.",
                "AUTHENTICATION_FAILED",
            )
        return user

    def form(self, parameters):
        """The statement of a form; its parameters are added to those of the URL."""
        boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])[1].encode()
        sql = None
        for part in self.body.all().split(b"--" + boundary)[1:-1]:
            head, _, value = part.partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]+)"', head)[1].decode()
            value = value[:-2]
            if name == "query":
                sql = value
            elif name.startswith(PARAMETER):
                parameters[name[len(PARAMETER) :]] = value.decode()
        return sql

    def common_headers(self):
        return [
            ("X-ClickHouse-Server-Display-Name", "chdb-facade"),
            ("X-ClickHouse-Query-Id", self.query_id),
            ("X-ClickHouse-Timezone", self.engine.timezone),
        ]

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def refuse(self, error):
        self.close_connection = True  # The request's body may be read by half.
        headers = [
            *self.common_headers(),
            ("X-ClickHouse-Exception-Code", str(error.code)),
            ("Connection", "close"),
            ("Content-Type", "text/plain; charset=UTF-8"),
        ]
        self.answer(error.status, (self.words(error) + "\n").encode(), headers)

    def words(self, error):
        if "(version " in error.message:
            return error.message
        return f"{error.message} (version {self.engine.version} (chdb))"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True
