"""Records what the net compares with: golden.json and help/*.txt beside this file.

    .venv/bin/python tests/net/record.py                    everything
    .venv/bin/python tests/net/record.py mistakes/ help/    what begins with these words

The net pins what today's program does, right or wrong, through the installed command
alone, so that any change inside shows nowhere. A deliberate change of a message, a flag
or a byte is recorded in a commit of its own, whose diff then tells what has changed.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import net_inputs
from net_cases import HERE, beam_version, checks, image_libraries, observed

GOLDEN = HERE / "golden.json"


def load() -> dict[str, Any]:
    """All golden values by the names of checks, and "versions"."""
    found: dict[str, Any] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for path in sorted((HERE / "help").glob("*.txt")):
        found[f"help/{path.stem}"] = path.read_text().splitlines()
    return found


def save(golden: Mapping[str, Any]) -> None:
    """One fact a line; help as text."""
    helps = {name: lines for name, lines in golden.items() if name.startswith("help/")}
    (HERE / "help").mkdir(exist_ok=True)
    for name, lines in helps.items():
        (HERE / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    rest = {name: value for name, value in golden.items() if name not in helps}
    GOLDEN.write_text(json.dumps(rest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def main(prefixes: list[str]) -> None:
    known = checks()
    wanted = [name for name in known if not prefixes or name.startswith(tuple(prefixes))]
    golden = {name: value for name, value in load().items() if name in known}
    before = load().get("versions", {})
    now = {"images": image_libraries(), "beam": beam_version()}
    if prefixes and before != now:
        sys.exit("other versions than those of the golden file: record everything")
    with tempfile.TemporaryDirectory() as folder:
        inputs = net_inputs.build(Path(folder) / "in")
        for name in wanted:
            print(name, flush=True)
            golden[name] = observed(known[name], inputs)
    save({**golden, "versions": now})


if __name__ == "__main__":
    main(sys.argv[1:])
