"""ClickHouse's HTTP interface over its own engine in this process (chDB), for tests where no server can be had.

    python tests/services/clickhouse --port 0 --path DATA_DIR [--user NAME:PASSWORD] [--deny STATEMENT]

What is real: SQL, table engines, parts and merges, mutations, data on disk. What is not: users and grants (a
list of names, a list of refused statements), replicas, Keeper, asynchronous inserts, compressed answers.
One engine and one directory a process. README.md says more.
"""

import argparse

from denials import Denials
from engine import Engine
from handler import Handler, Server


def arguments():
    parser = argparse.ArgumentParser(description="ClickHouse's HTTP interface over chDB, for tests")
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 takes a free one")
    parser.add_argument("--path", required=True, help="directory of the data")
    parser.add_argument("--config-file", help="settings of the engine, as ClickHouse's config.xml")
    parser.add_argument(
        "--user",
        action="append",
        metavar="NAME:PASSWORD",
        help="who may come; without it, everybody",
    )
    parser.add_argument(
        "--deny",
        action="append",
        metavar="STATEMENT",
        default=[],
        help="how statements begin (a regular expression, upper or lower case) that nobody has the grant for",
    )
    return parser.parse_args()


def main():
    options = arguments()
    users = dict(user.partition(":")[::2] for user in options.user) if options.user else None
    Handler.engine = Engine(options.path, options.config_file)
    Handler.users = users
    Handler.denials = Denials(options.deny)
    server = Server(("127.0.0.1", options.port), Handler)
    print(f"ready http://127.0.0.1:{server.server_address[1]} clickhouse {Handler.engine.version}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
