"""Write the next step of the schema: what ``overtrace.host.tables`` has and the steps so far do not make.

python docs/make_migration.py 0002 "Declarations have a licence"; read it, and mend it where data has to move.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from overtrace.host.schema import MIGRATIONS, open_store


def write(revision: str, message: str) -> None:
    """One file in ``migrations/versions``."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_store(f"sqlite:///{folder}/steps.db").engine
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("file_template", "step_%%(rev)s")
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.revision(config, message, autogenerate=True, rev_id=revision)
    path = MIGRATIONS / "versions" / f"step_{revision}.py"
    lines = [line for line in path.read_text().splitlines() if "### " not in line]
    path.write_text("\n".join(lines) + "\n")
    for tool in (["format", "--quiet"], ["check", "--fix", "--quiet"]):
        subprocess.run([Path(sys.executable).parent / "ruff", *tool, path], check=True)


if __name__ == "__main__":
    write(*sys.argv[1:])
