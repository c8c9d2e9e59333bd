"""The command line: `coterie serve`, `worker`, `key`, `import`, `clusters`, `demo`.

What a command needs is imported when it runs: `coterie serve` shall not wait for the libraries of `coterie import`.
"""

import typer

from coterie.cli.clusters import clusters
from coterie.cli.data import import_file
from coterie.cli.demo import demo
from coterie.cli.keys import key
from coterie.cli.serve import serve, worker

app = typer.Typer(
    name="coterie",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Finds the groups in a team's embeddings and keeps them.",
)
app.command()(serve)
app.command()(worker)
app.command("import")(import_file)
app.command()(demo)
app.add_typer(key, name="key")
app.add_typer(clusters, name="clusters")
